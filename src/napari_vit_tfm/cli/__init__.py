"""The command ``vit-tfm``: one module per subcommand, and ``main`` for the group."""

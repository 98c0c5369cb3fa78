"""The command ``vit-tfm``: one module per subcommand, and ``main`` for them all."""

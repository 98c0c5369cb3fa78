"""One module per reconstruction method that has a name.

`models.registry` finds the modules of this folder by itself. Each registers its
method with `register`, and imports torch inside functions only: menus and help are
made of what is registered, and must not wait for torch.
"""

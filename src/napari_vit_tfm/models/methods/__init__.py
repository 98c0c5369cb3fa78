"""One module per named reconstruction method.

`models.registry` imports all modules of this folder. Each module registers its method
with `register`. It imports torch only inside functions, because menus and help are
built from the registered methods and must not wait for torch.
"""

"""What a value, a function, a class or a request *is*, in bytes that any machine and Python version repeats.

Standard library only. `docs/design/identity.md` publishes the encoding and says what counts and what does not.
"""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "CodeView": "code",
        "Difference": "differences",
        "FileRef": "values",
        "Secret": "values",
        "class_view": "code",
        "digest": "encoding",
        "encode": "encoding",
        "first_difference": "differences",
        "function_view": "code",
        "register": "registry",
        "request_key": "encoding",
        "version": "values",
        "view": "views",
    },
)

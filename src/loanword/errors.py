"""The one exception for what is wrong outside the code.

Everything else that is raised is a bug and keeps its traceback.
"""


class UserError(Exception):
    """Says where something is wrong, what is wrong, what was expected and what to do about it.

    The command line prints it as one block and exits with 2.
    """

    def __init__(self, where: object, what: str, *, expected: str = "", do: str = "") -> None:
        self.where = str(where)
        self.what = what
        self.expected = expected
        self.do = do
        super().__init__(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        # Workers send errors to the process that draws them; keyword arguments need help there.
        return _rebuild, (type(self), self.where, self.what, self.expected, self.do)

    def __str__(self) -> str:
        lines = [f"{self.where} - {self.what}"]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.do:
            lines.append(f"  to do:    {self.do}")
        return "\n".join(lines)


def _rebuild(kind: type[UserError], where: str, what: str, expected: str, do: str) -> UserError:
    return kind(where, what, expected=expected, do=do)

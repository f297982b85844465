"""The one error of the schedule languages."""

_SHOWN_CHARACTERS = 80


class ScheduleError(ValueError):
    """A schedule that is not legal, or that runs more often than once a day.

    `message` is a whole sentence for the user: the schedule, the place, what is wrong and what
    to write instead. `position` is the 0-based offset of the place in the text as it was given
    (the message counts characters from 1, as editors do), None when the fault is in no one
    place. `field` names the part of the schedule: "hour", "time", "interval", …
    """

    def __init__(self, text: str, reason: str, *, field: str, position: int | None = None) -> None:
        where = "" if position is None else f"at character {position + 1}: "
        self.message = f"schedule {_shown(text)}: {where}{reason}"
        self.position = position
        self.field = field
        super().__init__(self.message)


def _shown(text: str) -> str:
    if len(text) > _SHOWN_CHARACTERS:
        return repr(text[:_SHOWN_CHARACTERS] + "…")
    return repr(text)

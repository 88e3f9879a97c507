"""Errors that a person can act on: what was wrong, what to do, and a stable code to match on.

Every error that leaves Twinlens on purpose is a :class:`TwinlensError`. The command line prints its message and
ends with status 2; the server answers with its HTTP status as RFC 9457 problem+json. The codes are part of the
public interface: they are listed once, in :data:`CODES`, and never change their meaning.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Code(NamedTuple):
    """What a stable error code stands for: the HTTP status it is answered with, and a short title."""

    status: int
    title: str


CODES: Final[dict[str, Code]] = {
    # What a caller of the API can cause.
    "missing_image": Code(400, "No image in the request"),
    "invalid_image_field": Code(400, "The image field is not a file"),
    "invalid_multipart": Code(400, "The multipart body cannot be read"),
    "invalid_top_k": Code(400, "top_k cannot be used"),
    "invalid_k": Code(400, "k cannot be used"),
    "invalid_request": Code(400, "The request cannot be read"),
    "unauthorised": Code(401, "The admin token is missing or wrong"),
    "not_found": Code(404, "No such address"),
    "cannot_write": Code(500, "Something could not be written"),
    "missing_page": Code(404, "The page has not been built"),
    "missing_index": Code(404, "The server has no index of photos"),
    "method_not_allowed": Code(405, "Method not allowed at this address"),
    "upload_timeout": Code(408, "The upload took too long"),
    "body_too_large": Code(413, "The body is too large"),
    "too_many_pixels": Code(413, "The image has too many pixels"),
    "unsupported_format": Code(415, "This image format is not accepted"),
    "not_an_image": Code(422, "The bytes are not an image"),
    "broken_image": Code(422, "The image is broken"),
    "unknown_label": Code(422, "The model has no such label"),
    "overloaded": Code(429, "Too many requests at once"),
    "feedback_rate": Code(429, "Too much feedback in a short time"),
    "feedback_quota": Code(429, "Enough feedback for one day"),
    "internal": Code(500, "Something went wrong on the server"),
    "not_ready": Code(503, "The server is not ready"),
    "feedback_unavailable": Code(503, "The store of feedback cannot be reached"),
    "timeout": Code(504, "The request took too long"),
    "feedback_full": Code(507, "No more feedback is stored"),
    # What a reviewer can cause.
    "review_conflict": Code(409, "The photo is no longer as it was shown"),
    "nothing_to_undo": Code(409, "There is no decision to undo"),
    "not_allowed": Code(403, "This may not be done from here"),
    # What someone at the command line can cause.
    "invalid_setting": Code(500, "A setting has a value that cannot be used"),
    "model_not_found": Code(500, "There is no such model"),
    "invalid_contract": Code(500, "The model's contract cannot be used"),
    "invalid_model": Code(500, "The model's files do not match its contract"),
    "invalid_data": Code(500, "The data set cannot be used"),
    "unfit_data": Code(500, "The data set is not fit to train on"),
    "data_in_use": Code(500, "Another command is changing the data set"),
    "invalid_index": Code(500, "The index cannot be used"),
    "index_mismatch": Code(500, "The index was made with another model"),
    "decoder_died": Code(500, "The process that worked on the photo died"),
    "engine_failed": Code(500, "The engine could not run the job"),
    "invalid_run": Code(500, "The training run cannot be used"),
    "training_failed": Code(500, "A training did not end well"),
    "nothing_new": Code(500, "The data set has nothing new to learn"),
    "model_in_use": Code(500, "Another command is publishing the model"),
    "no_earlier_version": Code(500, "There is no version to go back to"),
    "invalid_arguments": Code(500, "The arguments cannot be used"),
    "invalid_weights": Code(500, "The initial weights cannot be used"),
    "unknown_network": Code(500, "There is no such network"),
    "unsupported_operation": Code(500, "The network has an operation that cannot be converted"),
    "already_exists": Code(500, "The destination exists already"),
    "export_mismatch": Code(500, "The exported model does not give the trained model's answers"),
    "download_failed": Code(500, "A download failed"),
    "missing_requirement": Code(500, "Something that this command needs is not installed"),
    "port_in_use": Code(500, "The port is taken"),
    "container_failed": Code(500, "A container could not be built or run"),
}


class TwinlensError(Exception):
    """An error with a stable code, and a message that says what was wrong and what to do.

    :param code: a key of :data:`CODES`.
    :param detail: one or two sentences: what was wrong, and what to do about it.
    :param retry_seconds: after which the same request may be tried again, where that is known.
    :raises KeyError: if ``code`` is not a known code, which is a mistake in Twinlens itself.
    """

    def __init__(self, code: str, detail: str, retry_seconds: int | None = None) -> None:
        self.status, self.title = CODES[code]
        self.code = code
        self.detail = detail
        self.retry_seconds = retry_seconds
        super().__init__(detail)

    def __reduce__(self) -> tuple[type[TwinlensError], tuple[str, str, int | None]]:
        return TwinlensError, (self.code, self.detail, self.retry_seconds)

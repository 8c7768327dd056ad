"""What requests and answers look like. The OpenAPI schema of the server is made from these classes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ..visualization import DEFAULT_SCORE_THR

Phrase = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Box = Annotated[list[float], Field(min_length=4, max_length=4)]


class DetectOptions(BaseModel):
    """Options of a request, as query parameters if the body is an image file."""

    model_config = ConfigDict(extra='forbid')

    pred_score_thr: float = Field(
        DEFAULT_SCORE_THR,
        ge=0,
        le=2,
        allow_inf_nan=False,
        description='Only interactions with a higher score are returned.',
    )
    top_k: int = Field(100, ge=1, le=100, description='Maximum number of interactions, highest score first.')
    vocabulary: list[Phrase] = Field(
        [],
        description='Interactions to detect instead of those of the model: phrases such as "a person riding a horse", or '
        '"verb, object". Empty: those of the model.',
        examples=[['a person riding a horse', 'push, bicycle']],
    )


class DetectRequest(DetectOptions):
    """A request in JSON."""

    image: str = Field(
        description='Content of an image file (JPEG, PNG, WebP, BMP, TIFF, GIF, PPM or JPEG 2000) in base64. Paths and '
        'addresses are refused.',
        json_schema_extra=dict(format='byte'),
    )


class Interaction(BaseModel):
    """A person, an object and the interaction."""

    human_box: Box = Field(description='x1, y1, x2, y2 in pixels of the image')
    object_box: Box | None = Field(description='the same for the object; null for an interaction without object')
    object: str | None = Field(description='name of the object')
    verb: str = Field(description='name of the verb')
    phrase: str = Field(description="description such as 'person riding a horse'")
    score: float = Field(ge=0, le=2, description='sigmoid(HOI logit) + sigmoid(object logit)^2')
    confidence: float = Field(ge=0, le=1, description='max(0, score - 1)')
    query: int = Field(ge=0, description='interactions with the same number belong to the same pair of boxes')


class DetectAnswer(BaseModel):
    """The interactions in an image, as ``HOIResult.to_dict`` of the Python package returns them."""

    image: None = Field(description='always null: images have no name here')
    width: int = Field(description='width of the image in pixels')
    height: int = Field(description='height of the image in pixels')
    hois: list[Interaction] = Field(description='the interactions, highest score first')


class Problem(BaseModel):
    """The answer to every request that fails."""

    error: str = Field(description='what is wrong and what to do, in one sentence')


def problem_of(error: ValidationError) -> str:
    """The first problem of a request, in one sentence."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first['type'] == 'json_invalid':
        return f'The body is no JSON: {first["msg"].removeprefix("Invalid JSON: ")}.'
    place = '.'.join(str(part)[:50] for part in first['loc'])
    if first['type'] == 'extra_forbidden':
        return f"There is no field '{place}': the fields are {', '.join(DetectRequest.model_fields)}."
    return f'{place or "The body"} is wrong: {first["msg"]}.'

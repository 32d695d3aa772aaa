"""One function per score term: absolute values 0–1 with the numbers they came from.

Nothing is normalised over the candidates at hand, so removing one never changes
how the others compare. What is unknown scores low and says so. Below the intelligence
that a request needs, cost and speed count for less: so complex work is lifted, and
simple work gains nothing from a strong model. Nothing is refused here: that is the
gates' and the books' work.
"""

from __future__ import annotations

from math import ceil, log

from freeloader.core.lately import lately
from freeloader.core.model import Deployment, Term, Weights
from freeloader.core.snapshot import MIN_SAMPLES, UNMEASURED, Health

#: A blended price of this many $/M tokens scores one half.
HALF_PRICE = 1.0
#: Input to output tokens in the blended price.
_INPUT_SHARE, _OUTPUT_SHARE = 3, 1
#: Speed (1–10) assumed where the registry knows none.
UNKNOWN_SPEED = 3.0
#: Quality value where nobody has evidence.
UNKNOWN_QUALITY = 0.1
#: What a model of unknown intelligence is taken to be up to: simple work.
UNKNOWN_UP_TO = 2.0
#: How steeply speed and price lose their worth below the need: two thirds of it keep 30 %.
_STEEPNESS = 3
#: So many samples weigh as much as the registry's prior.
PRIOR_WEIGHT = 10
#: Where no p95 is measured: an answer of so many tokens, this long before the first.
_PRIOR_TOKENS, _PRIOR_FIRST_MS = 300, 500.0
#: The share of the whole score that ``preferLocal`` moves.
LOCAL_SHARE = 0.1


#: Under which names a model's strength at a task may be written, the nearest first.
_STRENGTHS: dict[str, tuple[str, ...]] = {
    "summarization": ("summarization", "language"),
    "translation": ("translation", "language"),
    "agent_step": ("agent_step", "instruction"),
    "reasoning": ("reasoning", "math"),
    "image": ("image", "vision"),
}


def free_of_charge(deployment: Deployment) -> bool:
    """True where no bill can come: local, or a free account with a model its tier covers."""
    return deployment.local or (not deployment.account.billable and deployment.model.free)


def blended_price(deployment: Deployment) -> float | None:
    """List price in dollars per million tokens at three input to one output; None: unknown."""
    price = deployment.model.price
    if price is None:
        return None
    whole = _INPUT_SHARE * price.input + _OUTPUT_SHARE * price.output
    return whole / (_INPUT_SHARE + _OUTPUT_SHARE) / 1_000_000


def cost_value(deployment: Deployment, health: Health = UNMEASURED) -> float:
    """1 for free, also by an allowance while it lasts; ``1/(1+price)`` for what can be billed,
    0 for an unknown price."""
    if health.covered or free_of_charge(deployment):
        return 1.0
    price = blended_price(deployment)
    return 0.0 if price is None else HALF_PRICE / (HALF_PRICE + price)


def speed_of_rate(tokens_per_second: float) -> float:
    """Tokens a second on the 1–10 scale: 10/s is 1, 3,000/s is 10."""
    if tokens_per_second <= 10:
        return 1.0
    return min(10.0, 1 + 9 * log(tokens_per_second / 10) / log(300))


def speed_blend(deployment: Deployment, health: Health) -> float:
    """Speed 1–10: the registry's prior, moving to the measured average as samples grow."""
    prior = deployment.model.speed
    start = UNKNOWN_SPEED if prior is None else prior
    if not health.tokens_per_second or health.samples <= 0:
        return start
    share = health.samples / (health.samples + PRIOR_WEIGHT)
    return start + share * (speed_of_rate(health.tokens_per_second) - start)


def latency(deployment: Deployment, health: Health) -> tuple[float | None, str]:
    """p95 of whole answers in ms, ``measured``; else what the known speed makes likely, ``prior``.

    None: there is no speed to tell it by.
    """
    if health.latency_ms is not None and health.samples >= MIN_SAMPLES:
        return health.latency_ms, "measured"
    if deployment.model.speed is None and not (health.samples and health.tokens_per_second):
        return None, "prior"
    return latency_of_speed(speed_blend(deployment, health)), "prior"


def latency_of_speed(speed: float) -> float:
    """Milliseconds that a place on the 1–10 scale makes likely for a whole answer."""
    return _PRIOR_FIRST_MS + _PRIOR_TOKENS / rate_of_speed(speed) * 1000


def rate_of_speed(speed: float) -> float:
    """Tokens a second that a place on the 1–10 scale stands for: ``speed_of_rate`` turned round."""
    return float(10 * 300 ** ((speed - 1) / 9))


def intelligence(
    deployment: Deployment, task: str = "chat", health: Health = UNMEASURED
) -> float | None:
    """Intelligence 1–10 for a kind of task: its own where there is evidence, else the overall one.

    Feedback moves it. None: nobody has evidence.
    """
    value = evidence(deployment, task)
    opinion = health.opinions.get(task)
    if value is None or opinion is None:
        return value
    return min(10.0, max(0.0, value + opinion.shift))


def evidence(deployment: Deployment, task: str) -> float | None:
    """The registry's intelligence for a kind of task, before any feedback."""
    strengths = deployment.model.strengths
    if strengths:
        for name in _STRENGTHS.get(task, (task,)):
            if name in strengths:
                return strengths[name]
    return deployment.model.intelligence


def need_bucket(need: float | None) -> float | None:
    """The needed intelligence in halves, rounded up: orders are kept per bucket, and are few."""
    return None if need is None else ceil(need * 2) / 2


def quality_value(
    deployment: Deployment,
    task: str = "chat",
    need: float | None = None,
    health: Health = UNMEASURED,
) -> float:
    """Intelligence for the task, 0–1: of ten, or of what is needed, beyond which nothing counts."""
    return _quality(intelligence(deployment, task, health), need)


def _quality(value: float | None, need: float | None) -> float:
    if value is None:
        return UNKNOWN_QUALITY
    whole = 10.0 if need is None else need
    return _unit(value / whole) if whole > 0 else 1.0


def _fitness(value: float | None, need: float | None, quality: float) -> float:
    """The share of cost and speed that counts, 0–1: neither is worth much in an answer that is
    not good enough. Weights without ``quality`` say that it does not matter."""
    if not need or not quality:
        return 1.0
    known = UNKNOWN_UP_TO if value is None else value
    return 1.0 if known >= need else _unit(known / need) ** _STEEPNESS


@lately(256)
def shares(weights: Weights, prefer_local: bool) -> tuple[float, float, float, float]:
    """Shares of cost, speed, quality and locality; they add up to 1. All zero means equal."""
    rest = 1.0 - LOCAL_SHARE if prefer_local else 1.0
    largest = max(weights.cost, weights.speed, weights.quality)
    if largest <= 0:
        return rest / 3, rest / 3, rest / 3, 1.0 - rest
    # By the largest first: neither the tiniest nor the hugest weights over- or underflow then.
    cost, speed, quality = (w / largest for w in (weights.cost, weights.speed, weights.quality))
    scale = rest / (cost + speed + quality)
    return cost * scale, speed * scale, quality * scale, 1.0 - rest


def score(
    deployment: Deployment,
    health: Health,
    weights: Weights,
    prefer_local: bool,
    task: str = "chat",
    need: float | None = None,
) -> float:
    """The weighted sum of the terms, 0–1; higher is better. ``need`` as in ``quality_value``."""
    return weighed(deployment, health, shares(weights, prefer_local), task, need)


def weighed(
    deployment: Deployment,
    health: Health,
    parts: tuple[float, float, float, float],
    task: str = "chat",
    need: float | None = None,
) -> float:
    """``score`` with the shares already worked out: for ranking thousands."""
    cost, speed, quality, local = parts
    value = intelligence(deployment, task, health)
    ease = cost * cost_value(deployment, health) + speed * _unit(
        speed_blend(deployment, health) / 10
    )
    return (
        ease * _fitness(value, need, quality)
        + quality * _quality(value, need)
        + (local if deployment.local else 0.0)
    )


def terms(
    deployment: Deployment,
    health: Health,
    weights: Weights,
    prefer_local: bool,
    task: str = "chat",
    need: float | None = None,
) -> tuple[Term, ...]:
    """The parts of ``score``, each with its share and the numbers behind it."""
    cost, speed, quality, local = shares(weights, prefer_local)
    rate = speed_blend(deployment, health)
    value = intelligence(deployment, task, health)
    fit = _fitness(value, need, quality)
    short = "" if fit == 1 else f"; counted at {fit:.0%}, being short of the {need:g} needed"
    parts = [
        Term(
            "cost",
            cost_value(deployment, health) * fit,
            cost,
            _cost_why(deployment, health) + short,
        ),
        Term("speed", _unit(rate / 10) * fit, speed, _speed_why(deployment, health, rate) + short),
        Term(
            "quality",
            _quality(value, need),
            quality,
            _quality_why(deployment, task, need, health, value),
        ),
    ]
    if prefer_local:
        said = "runs on this machine" if deployment.local else "is not local"
        parts.append(Term("local", 1.0 if deployment.local else 0.0, local, said))
    return tuple(parts)


def _cost_why(deployment: Deployment, health: Health) -> str:
    if deployment.local:
        return "local: costs nothing"
    if health.covered:
        return "its account's free allowance covers it"
    if free_of_charge(deployment):
        return "free tier"
    price = blended_price(deployment)
    if price is None:
        return "price unknown"
    return f"list price ${price:.4g}/M (3:1 input:output)"


def _speed_why(deployment: Deployment, health: Health, rate: float) -> str:
    prior = deployment.model.speed
    if prior is None:
        said = f"speed unknown, taken as {UNKNOWN_SPEED:g}"
    else:
        said = f"registry speed {prior:g}"
    if health.tokens_per_second and health.samples > 0:
        measured = f"{health.tokens_per_second:.0f} tok/s over {health.samples} samples"
        return f"{rate:.2f} of 10 ({said}; measured {measured})"
    return said


def _quality_why(
    deployment: Deployment, task: str, need: float | None, health: Health, value: float | None
) -> str:
    if value is None:
        return f"intelligence unknown, counted as {UNKNOWN_QUALITY:g}"
    known = _STRENGTHS.get(task, (task,))
    what = f"{task} " if any(name in deployment.model.strengths for name in known) else ""
    said = f"{what}intelligence {value:.3g} of {'10' if need is None else f'the {need:g} needed'}"
    opinion = health.opinions.get(task)
    if opinion is None:
        return said
    votes = f"{opinion.votes} vote{'' if opinion.votes == 1 else 's'}"
    return f"{said} ({opinion.shift:+.2f} by {votes} on its answers)"


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))

"""Where identities lie: centroids, the distances between them, and whether these follow a known truth."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from univar.analysis.results import markdown_table
from univar.analysis.statistics import Interval
from univar.corpus.simulation import Simulation, stance_distances, style_distances

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

_FEWEST_IDENTITIES = 4


@dataclass(frozen=True, slots=True)
class GeometryAgreement:
    """How well distances between identities follow the known distances between simulated ones.

    Attributes:
        stances: Spearman correlation with the distances between stances, in [-1, 1]: what a representation of values
            should have. NaN if all identities are equally far from each other.
        stances_interval: Its 95 % bootstrap interval over identities.
        style: Spearman correlation with the distances between styles: what it should not have.
        style_interval: Its 95 % bootstrap interval over identities.
        n_identities: How many identities there were.
        n_pairs: How many distances were compared.
    """

    stances: float
    stances_interval: Interval
    style: float
    style_interval: Interval
    n_identities: int
    n_pairs: int

    def __str__(self) -> str:
        low, high = self.stances_interval
        return (
            f"Distances follow the known stances with a rank correlation of {self.stances:.2f} (95 % interval "
            f"{low:.2f} to {high:.2f} by bootstrap over {self.n_identities:,} identities, n = {self.n_pairs:,} pairs) "
            f"and their style with {self.style:.2f} ({self.style_interval.low:.2f} to {self.style_interval.high:.2f})."
        )

    def to_pandas(self) -> "pd.DataFrame":
        """Two rows, `stances` and `style`: correlation, 95 % interval, pairs `n`, identities."""
        import pandas as pd

        return pd.DataFrame(self._rows())

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values, intervals as `low` and `high`; what is not a number is None."""

        def plain(content: Any) -> Any:
            if isinstance(content, Interval):
                return {end: plain(number) for end, number in content._asdict().items()}
            return None if isinstance(content, float) and np.isnan(content) else content

        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    def to_markdown(self) -> str:
        """Two rows, stances and style."""
        columns = ("correlation", "low", "high")
        rows = [
            (str(row["with"]), *("-" if row[name] is None else f"{row[name]:.2f}" for name in columns))
            for row in self._rows()
        ]
        return f"{markdown_table(('with', *columns), rows)}\n- {self}\n"

    def _rows(self) -> list[dict[str, Any]]:
        found = {"stances": (self.stances, *self.stances_interval), "style": (self.style, *self.style_interval)}
        return [
            {
                "with": name,
                **{
                    field: None if np.isnan(number) else float(number)
                    for field, number in zip(("correlation", "low", "high"), numbers, strict=True)
                },
                "n": self.n_pairs,
                "identities": self.n_identities,
            }
            for name, numbers in found.items()
        ]


def centroids(embeddings: npt.ArrayLike, labels: Sequence[int] | npt.NDArray[np.integer]) -> FloatArray:
    """The mean embedding of each identity: `(m, d)` float64, a row for each of the labels 0 to m - 1.

    Args:
        embeddings: `(n, d)` unit vectors.
        labels: `(n,)` the identity of each row, numbered from 0 without a gap.

    Raises:
        ValueError: If the lengths differ, a number is not finite, or a label has no row.
    """
    rows, owners = np.asarray(embeddings, dtype=np.float64), np.asarray(labels)
    if rows.ndim != 2 or owners.shape != rows.shape[:1]:
        raise ValueError(f"embeddings must be (n, d) and labels (n,), got {rows.shape} and {owners.shape}")
    if not len(rows) or not np.isfinite(rows).all():
        raise ValueError(f"embeddings must be finite and at least one, got {len(rows)} rows")
    if not np.issubdtype(owners.dtype, np.integer) or owners.min() < 0:
        raise ValueError(f"labels must be whole numbers from 0, got {owners.dtype} down to {owners.min()}")
    counts = np.bincount(owners)
    if not counts.all():
        raise ValueError(f"no embedding has label {int(np.flatnonzero(counts == 0)[0])}; number labels without a gap")
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, owners, rows)
    return np.asarray(sums / counts[:, None])


def identity_distances(
    embeddings: npt.ArrayLike, labels: Sequence[int] | npt.NDArray[np.integer], values: Sequence[str | None]
) -> FloatArray:
    """Condensed distances between identities, compared value by value, in the order of `scipy.spatial.distance`.

    The root mean square, over the values, of the euclidean distances between centroids of the answers about one value.
    Between centroids of all answers, to be for one value and against another would look like the reverse.

    Args:
        embeddings: `(n, d)` unit vectors.
        labels: `(n,)` the identity of each row, numbered from 0 without a gap.
        values: `(n,)` the value that each row is about. Where there is none known, give any grouping of the questions
            that the identities share, or one and the same name, which gives distances between plain centroids.

    Raises:
        ValueError: If the lengths differ, or an identity has no row for one of the values; see also `centroids`.
    """
    rows, owners, about = np.asarray(embeddings), np.asarray(labels), np.array([str(value) for value in values])
    if not len(rows) == len(owners) == len(about):
        raise ValueError(f"got {len(rows)} embeddings, {len(owners)} labels and {len(about)} values; give one a row")
    known, names = len(np.unique(owners)), np.unique(about)
    squares = np.zeros(known * (known - 1) // 2)
    for name in names:
        chosen = about == name
        if len(np.unique(owners[chosen])) < known:
            raise ValueError(f"not every identity has answers about {str(name)!r}; leave that value out for all")
        squares += pdist(centroids(rows[chosen], owners[chosen]), "sqeuclidean")
    return np.asarray(np.sqrt(squares / len(names)), dtype=np.float64)


def geometry_agreement(
    embeddings: npt.ArrayLike,
    labels: Sequence[int] | npt.NDArray[np.integer],
    values: Sequence[str | None],
    simulation: Simulation,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> GeometryAgreement:
    """Spearman correlations of `identity_distances` with the distances between stances and between styles.

    The interval draws identities with replacement; a pair of an identity with itself is left out, as its distance is
    zero in every representation. With few identities it is wide: distances that share an identity are not independent.

    Args:
        embeddings: `(n, d)` unit vectors, for example of the records of the simulation or of some of its splits.
        labels: `(n,)` the row of each embedding's identity in `simulation.identities`; every identity must occur.
        values: `(n,)` the value that each embedding is about.
        simulation: The truth.
        resamples: Bootstrap resamples.
        seed: Of the resamples.

    Raises:
        ValueError: If there are fewer than four identities, an identity has no embedding, or the shapes do not fit.
    """
    known = len(simulation.identities)
    if known < _FEWEST_IDENTITIES:
        raise ValueError(f"agreement needs at least {_FEWEST_IDENTITIES} identities, got {known}; simulate more")
    named = len(np.unique(np.asarray(labels)))
    if named != known:
        raise ValueError(f"the labels name {named} identities and the simulation has {known}; embed all of them")
    found = squareform(identity_distances(embeddings, labels, values))
    truths = [squareform(truth) for truth in (stance_distances(simulation), style_distances(simulation))]
    draws = np.random.default_rng(seed).integers(known, size=(resamples, known))
    (stances, style), intervals = zip(*[_agreement(found, truth, draws) for truth in truths], strict=True)
    return GeometryAgreement(stances, intervals[0], style, intervals[1], known, known * (known - 1) // 2)


def _agreement(found: FloatArray, truth: FloatArray, draws: npt.NDArray[np.int64]) -> tuple[float, Interval]:
    """The correlation of two square distance matrices and its interval over the drawn identities."""
    resampled = [_spearman(found, truth, draw) for draw in draws]
    if np.isnan(resampled).all():
        interval = Interval(np.nan, np.nan)
    else:
        low, high = np.nanquantile(resampled, [0.025, 0.975])
        interval = Interval(float(low), float(high))
    return _spearman(found, truth, np.arange(len(found))), interval


def _spearman(found: FloatArray, truth: FloatArray, members: npt.NDArray[np.integer]) -> float:
    """The correlation over the pairs of different members; NaN where one side is constant or no pair is left."""
    first, second = (members[side] for side in np.triu_indices(len(members), k=1))
    apart = first != second
    if not apart.any():
        return float("nan")
    a, b = (rankdata(square[first[apart], second[apart]]) for square in (found, truth))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else float("nan")

import numpy as np
import pytest
import xraylib

from scananalysis.core import ConfigurationError, PhysicsRangeError
from scananalysis.physics import SCINTILLATORS, SYMBOLS, deposited_energy, mass_attenuation, material

ENERGY = np.geomspace(0.03, 9, 25)
MC2 = 0.51099895


def _density(scintillator):
    return material(SCINTILLATORS[scintillator].material).density_g_cm3


class PhotonMonteCarlo:
    """Follows photons one by one through a block; written apart from the model, from the coefficients alone.

    Electrons stop where they are released, so the block must be compared where bremsstrahlung matters little, or with
    ``radiative_per_mev``: the share T·r / (1 + T·r) goes into Kramers' quanta, released in any direction.
    """

    LEAST_QUANTUM = 0.02

    def __init__(self, scintillator, face_mm, depth_mm, radiative_per_mev=0.0, seed=7):
        self.size = np.array([*face_mm, depth_mm])
        self.random = np.random.default_rng(seed)
        self.radiative = radiative_per_mev
        self.grid = np.geomspace(1e-3, 20, 4000)
        crystal = SCINTILLATORS[scintillator]
        scale = _density(scintillator) / 10
        self.table = [
            scale * mass_attenuation(crystal.material, self.grid, p) for p in ("photoelectric", "incoherent", "pair")
        ]
        self.lines = []
        for line in reversed(crystal.fluorescence):
            below, above = mass_attenuation(
                crystal.material, [line.edge_mev * 0.999, line.edge_mev * 1.001], "photoelectric"
            )
            self.lines.append((line, 1 - below / above))

    def direction(self, count):
        cosine, phi = self.random.uniform(-1, 1, count), self.random.uniform(0, 2 * np.pi, count)
        sine = np.sqrt(1 - cosine**2)
        return np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], axis=1)

    def turned(self, along, cosine):
        helper = np.where(np.abs(along[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
        side = np.cross(helper, along)
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        phi = self.random.uniform(0, 2 * np.pi, cosine.size)[:, None]
        across = np.cos(phi) * side + np.sin(phi) * np.cross(along, side)
        return cosine[:, None] * along + np.sqrt(1 - cosine**2)[:, None] * across

    def compton(self, energy):
        """Draw the cosine by rejection from the Klein-Nishina density, which is largest forwards."""
        cosine, todo = np.empty(energy.size), np.arange(energy.size)
        while todo.size:
            tried = self.random.uniform(-1, 1, todo.size)
            ratio = 1 / (1 + energy[todo] / MC2 * (1 - tried))
            taken = 2 * self.random.random(todo.size) < ratio**2 * (ratio + 1 / ratio - 1 + tried**2)
            cosine[todo[taken]] = tried[taken]
            todo = todo[~taken]
        return cosine

    def quanta(self, kinetic):
        """Draw bremsstrahlung: which electron, and the energies."""
        least, rate = self.LEAST_QUANTUM, self.radiative
        able = kinetic > least
        t = np.where(able, kinetic, 1.0)
        number = 2 * rate / (1 + rate * t) * (t * np.log(t / least) - t + least)
        owner = np.repeat(np.arange(kinetic.size), self.random.poisson(np.where(able, number, 0)))
        energy, todo = np.empty(owner.size), np.arange(owner.size)
        while todo.size:
            tried = least * (t[owner[todo]] / least) ** self.random.random(todo.size)
            taken = self.random.random(todo.size) < 1 - tried / t[owner[todo]]
            energy[todo[taken]] = tried[taken]
            todo = todo[~taken]
        return owner, energy

    def deposits(self, energy_mev, count):
        """Return what each of ``count`` photons leaves, MeV."""
        left = np.zeros(count)
        state = (
            np.concatenate([self.random.random((count, 2)) * self.size[:2], np.zeros((count, 1))], axis=1),
            np.tile([0.0, 0.0, 1.0], (count, 1)),
            np.full(count, energy_mev),
            np.arange(count),
        )
        while state[2].size:
            place, along, energy, owner = state
            mu = [np.interp(np.log(energy), np.log(self.grid), values) for values in self.table]
            place = place + along * self.random.exponential(1 / sum(mu))[:, None]
            inside = ((place >= 0) & (place <= self.size)).all(axis=1)
            place, along, energy, owner, photo, compton, pair = (
                values[inside] for values in (place, along, energy, owner, *mu)
            )
            draw = self.random.random(energy.size) * (photo + compton + pair)
            state = self.interact(left, place, along, energy, owner, draw < photo, draw >= photo + compton)
        return left

    def interact(self, left, place, along, energy, owner, is_photo, is_pair):
        born, electrons = [], []
        line_energy, rest = np.zeros(energy.size), is_photo.copy()
        for line, share in self.lines:
            shell = rest & (energy > line.edge_mev) & (self.random.random(energy.size) < share)
            line_energy[shell & (self.random.random(energy.size) < line.vacancy_yield)] = line.line_mev
            rest &= ~shell
        glows = line_energy > 0
        born.append((place[glows], self.direction(glows.sum()), line_energy[glows], owner[glows]))
        electrons.append((is_photo, (energy - line_energy)[is_photo]))
        scatters = ~is_photo & ~is_pair
        cosine = self.compton(energy[scatters])
        softer = energy[scatters] / (1 + energy[scatters] / MC2 * (1 - cosine))
        born.append((place[scatters], self.turned(along[scatters], cosine), softer, owner[scatters]))
        electrons.append((scatters, energy[scatters] - softer))
        if is_pair.any():
            out, quantum = self.direction(is_pair.sum()), np.full(is_pair.sum(), MC2)
            born += [(place[is_pair], way, quantum, owner[is_pair]) for way in (out, -out)]
            electrons += [(is_pair, (energy[is_pair] - 2 * MC2) / 2)] * 2
        for which, kinetic in electrons:
            np.add.at(left, owner[which], kinetic)
            if self.radiative:
                of, quantum = self.quanta(kinetic)
                np.add.at(left, owner[which][of], -quantum)
                born.append((place[which][of], self.direction(of.size), quantum, owner[which][of]))
        merged = tuple(np.concatenate(values) for values in zip(*born, strict=True))
        soft = merged[2] < 0.004
        np.add.at(left, merged[3][soft], merged[2][soft])
        return tuple(values[~soft] for values in merged)


# Megavolt elements, kilovolt elements and thin layers, from the K edge to where pairs prevail.
CASES = [
    ("CdWO4", (4.6, 4.6), 30.0, (0.05, 0.08, 0.3, 1.0, 3.0, 9.0)),
    ("CdWO4", (4.6, 15.0), 30.0, (0.5, 4.0)),
    ("CdWO4", (4.6, 4.6), 10.0, (0.3, 2.0)),
    ("CsI", (1.4, 1.4), 4.0, (0.03, 0.045, 0.08, 0.16)),
    ("CsI", (0.8, 0.8), 0.6, (0.04, 0.1)),
    ("GOS", (0.8, 0.8), 0.3, (0.04, 0.06, 0.12)),
    ("CsI", (12.0, 12.0), 50.0, (0.662, 1.25)),
]


@pytest.mark.parametrize(
    ("scintillator", "face", "depth", "energy"), [(s, f, d, e) for s, f, d, energies in CASES for e in energies]
)
def test_moments_agree_with_a_photon_monte_carlo(scintillator, face, depth, energy):
    """Within 1.5 % (mean) and 2 % (mean square), beside 3.5 σ of the 60,000 photons drawn."""
    weights = material(SCINTILLATORS[scintillator].material).composition
    number = sum(w * (SYMBOLS.index(s) + 1) for s, w in weights.items())
    drawn = PhotonMonteCarlo(scintillator, face, depth, 6e-4 * number).deposits(energy, 60_000)
    mean, square = deposited_energy(scintillator, depth, [energy], edge_mm=face)
    for power, found, share in ((1, mean[0], 0.015), (2, square[0], 0.02)):
        sample = drawn**power
        assert found == pytest.approx(sample.mean(), rel=share, abs=3.5 * sample.std() / np.sqrt(sample.size))


def test_monte_carlo_tells_a_wrong_depth_apart():
    """The comparison above could fail: a fifth less depth is seen."""
    drawn = PhotonMonteCarlo("CdWO4", (4.6, 4.6), 30.0).deposits(0.5, 60_000)
    mean, _ = deposited_energy("CdWO4", 24.0, [0.5], edge_mm=4.6)
    assert mean[0] < 0.96 * drawn.mean()


@pytest.mark.parametrize("scintillator", SCINTILLATORS)
def test_moments_are_possible(scintillator):
    """Mean below energy times interaction probability, mean square between the bounds of any distribution."""
    thickness = 20.0
    mean, square = deposited_energy(scintillator, thickness, ENERGY)
    depth = _density(scintillator) * thickness / 10
    coefficient = mass_attenuation(SCINTILLATORS[scintillator].material, ENERGY, "total_without_coherent")
    interacts = -np.expm1(-coefficient * depth)
    assert np.all(mean <= ENERGY * interacts * (1 + 1e-9))
    assert np.all(square <= ENERGY * mean * (1 + 1e-9))
    assert np.all(square >= mean**2 / interacts * (1 - 1e-9))


@pytest.mark.parametrize(
    ("scintillator", "symbols"), [("CdWO4", ("Cd", "W")), ("CsI", ("I", "Cs")), ("GOS", ("Gd",)), ("NaI", ("I",))]
)
def test_k_radiation_agrees_with_xraylib(scintillator, symbols):
    for line, symbol in zip(SCINTILLATORS[scintillator].fluorescence, symbols, strict=True):
        z = SYMBOLS.index(symbol) + 1
        found = []
        for number in range(-29, 0):
            try:
                found.append((xraylib.LineEnergy(z, number), xraylib.RadRate(z, number)))
            except ValueError:
                continue  # a line that this element does not have
        energy, rate = np.array(found).T
        assert line.line_mev == pytest.approx((energy * rate).sum() / rate.sum() * 1e-3, rel=2e-3)
        assert line.edge_mev == pytest.approx(xraylib.EdgeEnergy(z, xraylib.K_SHELL) * 1e-3, rel=1e-3)
        assert line.vacancy_yield == pytest.approx(xraylib.FluorYield(z, xraylib.K_SHELL), abs=2e-3)


def test_a_block_far_larger_than_any_range_keeps_nearly_all():
    small, _ = deposited_energy("CdWO4", 30.0, [8.0], edge_mm=2.0)
    large, _ = deposited_energy("CdWO4", 300.0, [8.0], edge_mm=300.0)
    assert 0.96 * 8.0 < large[0] < 8.0
    assert small[0] < 0.6 * large[0]


def test_low_energies_are_absorbed_whole_but_for_fluorescence():
    mean, _ = deposited_energy("CdWO4", 30.0, [0.025])
    assert mean[0] == pytest.approx(0.025, rel=1e-3)
    below, above = deposited_energy("CdWO4", 30.0, [0.069, 0.070], edge_mm=0.5)[0]
    assert above < 0.85 * below


def test_thicker_and_wider_elements_keep_more():
    thin, _ = deposited_energy("CsI", 2.0, ENERGY)
    thick, _ = deposited_energy("CsI", 20.0, ENERGY)
    wide, _ = deposited_energy("CsI", 20.0, ENERGY, edge_mm=(5.0, 20.0))
    assert np.all(thick > thin)
    assert np.all(wide[ENERGY > 0.1] > thick[ENERGY > 0.1])


def test_rectangle_lies_the_same_way_either_way():
    one = deposited_energy("CdWO4", 20.0, ENERGY, edge_mm=(3.0, 9.0))
    other = deposited_energy("CdWO4", 20.0, ENERGY, edge_mm=(9.0, 3.0))
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_rear_layer_of_a_dual_layer_array_sees_the_hard_part():
    energy = np.array([0.03, 0.06, 0.15])
    front, _ = deposited_energy("GOS", 0.3, energy)
    rear, _ = deposited_energy("CsI", 4.0, energy, filter={"gadolinium oxysulfide": 0.2202, "copper": 0.54})
    assert rear[0] < 1e-3 * front[0]
    assert rear[2] > 2 * front[2]
    bare, bare_square = deposited_energy("CsI", 4.0, energy)
    behind, behind_square = deposited_energy("CsI", 4.0, energy, filter={"copper": 0.54})
    passes = np.exp(-0.54 * mass_attenuation("copper", energy))
    np.testing.assert_allclose(behind / bare, passes)
    np.testing.assert_allclose(behind_square / bare_square, passes)


def test_compton_energy_agrees_with_the_energy_transfer_of_klein_and_nishina():
    """Tiny element: only the recoil stays. Mean recoil share at 1 MeV is 0.440 (Evans, The Atomic Nucleus, 1955, ch. 23)."""
    mean, _ = deposited_energy("CsI", 1e-4, [1.0], edge_mm=1e-4)
    depth = _density("CsI") * 1e-5
    compton = mass_attenuation("caesium iodide", 1.0, "incoherent")
    photo = mass_attenuation("caesium iodide", 1.0, "photoelectric")
    radiated = 1 - 6e-4 * 54 * 0.5
    assert (mean[0] / depth - photo * radiated) / compton / radiated == pytest.approx(0.440, abs=0.006)


@pytest.mark.parametrize(
    ("name", "thickness", "options"),
    [
        ("BGO", 10.0, {}),
        ("CsI", 0.0, {}),
        ("CsI", -1.0, {}),
        ("CsI", float("nan"), {}),
        ("CsI", 4.0, {"edge_mm": 0.0}),
        ("CsI", 4.0, {"edge_mm": (1.0, -1.0)}),
        ("CsI", 4.0, {"filter": {"copper": -0.1}}),
        ("CsI", 4.0, {"filter": {"unobtainium": 0.1}}),
    ],
)
def test_what_cannot_be_is_refused(name, thickness, options):
    with pytest.raises(ConfigurationError):
        deposited_energy(name, thickness, ENERGY, **options)


def test_energies_outside_the_table_are_refused():
    with pytest.raises(PhysicsRangeError):
        deposited_energy("CsI", 4.0, [25.0])

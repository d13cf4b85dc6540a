"""Simulated scans with exact truth: scenes of solids, goods packed by form, hidden objects, rendering to raw counts."""

from scananalysis.simulation.hidden import KINDS, NOT_IN_PARCELS
from scananalysis.simulation.loads import FRAUDS, Load, container_scene, empty_scene
from scananalysis.simulation.mesh import Mesh
from scananalysis.simulation.projection import project, shadow
from scananalysis.simulation.render import Imperfections, Simulated, render
from scananalysis.simulation.rod import Rod
from scananalysis.simulation.scene import Matter, Piece, Scene
from scananalysis.simulation.solids import Box, Cylinder, Ellipsoid, Wedge

__all__ = [
    "FRAUDS",
    "KINDS",
    "NOT_IN_PARCELS",
    "Box",
    "Cylinder",
    "Ellipsoid",
    "Imperfections",
    "Load",
    "Matter",
    "Mesh",
    "Piece",
    "Rod",
    "Scene",
    "Simulated",
    "Wedge",
    "container_scene",
    "empty_scene",
    "project",
    "render",
    "shadow",
]

"""Branch and bound of relu2mip's own, over boxes of the inputs, and the certificates that it leaves.

Cells         the search
Certificate   the boxes that cover a problem, each with its bound; proves them again
"""

from relu2mip.search.best_first import Found
from relu2mip.search.cells import Cells
from relu2mip.search.certificate import Certificate, Checked
from relu2mip.search.judge import Judge

__all__ = ["Cells", "Certificate", "Checked", "Found", "Judge"]

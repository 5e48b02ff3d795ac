"""Evaluation by the protocols of the papers: what of a picture the network is shown, and how its answers are joined.

    centre      the central square, once
    ten-crop    four corners, the centre, and their mirror images
    multi-crop  four scales, three squares of each, six crops of each square, and mirror images: 144
    dense       the network slides over the whole picture, at three scales, and mirror images

`probabilities(trained, pictures, "ten-crop")` gives the mean of softmax over the views of each picture. Sizes are the
papers', of networks that read 224 pixels, scaled to the side of the one at hand. What a view is stands in views.py, how
a network is made to slide in wide.py.
"""

from convsmith.train.protocols.apply import BATCH, probabilities
from convsmith.train.protocols.views import PROTOCOLS, Protocol, protocol_named

__all__ = ["BATCH", "PROTOCOLS", "Protocol", "probabilities", "protocol_named"]

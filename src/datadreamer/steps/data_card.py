"""The published home of the data card's kinds of entries; they are defined where cards are made."""

from ..cards.data_card_types import DataCardType as DataCardType
from ..cards.data_card_types import sort_data_card as sort_data_card

"""The words the toy model knows: products, their features, and what a happy or an unhappy customer says about them.

Every phrase has one polarity. `sentiment_of` relies on that: a word that occurs in positive phrases only marks a
text as positive, a word that occurs in negative phrases only marks it as negative.
"""

from __future__ import annotations

import re

# category -> (products, features); features are described in FEATURES below.
CATEGORIES: dict[str, tuple[str, str]] = {
    "audio": (
        "headset, speaker, soundbar, microphone, radio, record player, music box, earpiece, karaoke machine, amplifier",
        "sound, battery, volume, design, price, weight, cable, bass, connection, fit",
    ),
    "computing": (
        "laptop, tablet, keyboard, mouse, monitor, printer, router, webcam, hard drive, docking station",
        "screen, battery, speed, design, price, software, setup, cable, connection, warranty",
    ),
    "mobile": (
        "phone, smartwatch, camera, e-reader, fitness tracker, power bank, charger, drone, navigation device, pager",
        "battery, screen, speed, camera lens, software, price, weight, button, strap, signal",
    ),
    "kitchen": (
        "kettle, toaster, blender, coffee maker, espresso machine, rice cooker, microwave, mixer, juicer, air fryer",
        "speed, noise level, lid, handle, design, price, cleaning, capacity, timer, warranty",
    ),
    "cookware": (
        "frying pan, knife, cutting board, saucepan, baking tray, teapot, mug, lunch box, water bottle, thermos",
        "handle, lid, weight, coating, design, price, cleaning, capacity, material, grip",
    ),
    "furniture": (
        "chair, desk, sofa, bookshelf, bed frame, mattress, wardrobe, stool, coffee table, bench",
        "comfort, assembly, material, design, price, size, cushion, finish, stability, delivery",
    ),
    "household": (
        "lamp, vacuum cleaner, fan, heater, iron, alarm clock, mirror, curtain, rug, air purifier",
        "brightness, noise level, design, price, size, cleaning, material, cable, timer, smell",
    ),
    "clothing": (
        "jacket, sweater, raincoat, dress, hat, scarf, shirt, coat, hoodie, belt",
        "fit, material, zipper, color, design, price, comfort, pocket, warmth, stitching",
    ),
    "outdoors": (
        "tent, backpack, bicycle, sleeping bag, flashlight, hammock, canoe, umbrella, suitcase, skateboard",
        "weight, zipper, material, size, price, stability, pocket, strap, brightness, assembly",
    ),
    "food": (
        "chocolate bar, cookie, coffee blend, green tea, pasta sauce, olive oil, honey, energy drink, cheese, granola",
        "taste, smell, price, packaging, texture, freshness, portion, delivery, label, aftertaste",
    ),
    "leisure": (
        "board game, puzzle, novel, cookbook, guitar, piano, telescope, toy train, doll, card game",
        "design, price, packaging, manual, size, finish, color, material, delivery, setup",
    ),
    "services": (
        "hotel, restaurant, cafe, bakery, museum, gym, cinema, hostel, hair salon, campsite",
        "service, price, location, atmosphere, cleanliness, staff, comfort, noise level, parking, food",
    ),
}

# feature -> (positive predicates, negative predicates), read after "The {feature}".
FEATURES: dict[str, tuple[str, str]] = {
    "aftertaste": ("is sweet and gentle | stays pleasant", "is sour and harsh | lingers in a nasty way"),
    "assembly": ("is mercifully quick | was a breeze", "dragged on all day | was a nightmare"),
    "atmosphere": ("makes you feel welcome | is warm and relaxed", "feels hostile | is cold and gloomy"),
    "bass": ("is wonderfully deep | fills the room nicely", "rattles badly | is thin and hollow"),
    "battery": ("lasts all week | charges quickly and reliably", "dies within an hour | barely holds a charge"),
    "brightness": ("lights up everything brilliantly | is pleasant", "hurts my eyes | is far too dim"),
    "button": ("clicks crisply | responds at once", "gets stuck | fell off in a week"),
    "cable": ("is long and sturdy | stays neat", "is annoyingly short | frays at the end"),
    "camera lens": ("takes sharp pictures | catches every detail", "takes blurry pictures | scratches at a touch"),
    "capacity": ("is generous | suits the whole family", "is hopelessly small | is a joke"),
    "cleaning": ("is effortless | is effortless as can be", "is a chore | takes forever"),
    "cleanliness": ("is spotless | meets the highest standards", "is shocking | leaves a lot to be desired"),
    "coating": ("keeps its shine | lets nothing stick", "peels off | burns on the first try"),
    "color": ("is rich and vivid | looks even nicer in person", "fades in the wash | looks sickly"),
    "comfort": ("is heavenly | lasts for hours of use", "is lacking | gives me back pain"),
    "connection": ("is reliable | is rock solid", "is unstable | keeps failing"),
    "cushion": ("is soft and supportive | keeps its shape", "is lumpy | went flat at once"),
    "delivery": ("was quick and careful | was pleasantly early", "was weeks late | left it damaged"),
    "design": ("is stylish | turns heads", "is ugly | looks outdated"),
    "finish": ("is smooth and even | gleams", "is rough and uneven | chips at once"),
    "fit": ("is snug and flattering | suits me perfectly", "is tight and awkward | is all wrong"),
    "food": ("is fresh and delicious | is a delight", "is stale and greasy | made me sick"),
    "freshness": ("is guaranteed | is easy to taste", "is gone on arrival | is questionable"),
    "grip": ("is secure | feels natural", "is slippery | hurts my hand"),
    "handle": ("stays cool | feels solid in the hand", "came loose | gets burning hot"),
    "label": ("is clear and honest | is admirably complete", "is misleading | is impossible to read"),
    "lid": ("closes tightly | seals well", "leaks | is warped"),
    "location": ("is ideal | is wonderfully central", "is remote and unsafe | is hopelessly remote"),
    "manual": ("explains everything clearly | is a pleasure to read", "is confusing | is full of errors"),
    "material": ("feels luxurious | is tough and durable", "feels cheap | tears easily"),
    "noise level": ("is pleasantly low | lets everyone sleep", "is unbearable | gives me a headache"),
    "packaging": ("is elegant and safe | opens with ease", "arrived crushed | is wasteful"),
    "parking": ("is free and plentiful | is pleasantly simple", "is a hassle | costs a fortune"),
    "pocket": ("holds plenty | is roomy", "has a hole | is uselessly small"),
    "portion": ("is large and filling | is generous", "is tiny | leaves you hungry"),
    "price": ("is a bargain | is more than fair", "is outrageous | is a rip-off"),
    "screen": ("is sharp and bright | looks crisp", "flickers | cracked right away"),
    "service": ("is quick and friendly | exceeds expectations", "is slow and rude | is a disgrace"),
    "setup": ("is effortless | is foolproof", "failed again and again | is a headache"),
    "signal": ("is strong everywhere | stays reliable", "is weak everywhere | keeps vanishing"),
    "size": ("is ideal | is exactly as promised", "is all wrong | is clumsy"),
    "smell": ("is fresh and pleasant | is lovely", "is foul | is sickening"),
    "software": ("runs smoothly | is intuitive", "crashes daily | is full of bugs"),
    "sound": ("is rich and clear | gives me goosebumps", "is muddy and distorted | crackles"),
    "speed": ("is impressive | saves me lots of time", "is painfully slow | is laughable"),
    "stability": ("is rock solid | inspires confidence", "is dangerous | is shaky at best"),
    "staff": ("is friendly and caring | is attentive and kind", "is rude and lazy | ignores everyone"),
    "stitching": ("is neat and strong | is flawless", "comes undone | is sloppy"),
    "strap": ("is soft and secure | adjusts with ease", "snapped in a week | itches"),
    "taste": ("is rich and delicious | is divine", "is bland and bitter | is revolting"),
    "texture": ("is smooth and creamy | is delightful", "is dry and gritty | is slimy"),
    "timer": ("is precise | works like a charm", "is unreliable | stops at random"),
    "volume": ("fills the room nicely | is powerful", "is hopelessly low | jumps at random"),
    "warmth": ("is wonderful | keeps me cozy", "is lacking | is gone in the slightest wind"),
    "warranty": ("is generous | gives real peace of mind", "is worthless | excludes everything"),
    "weight": ("is ideal | is pleasantly low", "is a burden | is exhausting"),
    "zipper": ("glides smoothly | is strong", "gets stuck | broke in a week"),
}


def _split(text: str, separator: str = "|") -> list[str]:
    return [part.strip() for part in text.split(separator)]


PRODUCTS: dict[str, list[str]] = {name: _split(products, ",") for name, (products, _) in CATEGORIES.items()}
ALL_PRODUCTS: list[str] = [product for products in PRODUCTS.values() for product in products]
CATEGORY_FEATURES: dict[str, list[str]] = {name: _split(features, ",") for name, (_, features) in CATEGORIES.items()}
PREDICATES: dict[str, dict[str, list[str]]] = {
    name: {"positive": _split(good), "negative": _split(bad)} for name, (good, bad) in FEATURES.items()
}

MODIFIERS = _split(
    "small, large, red, blue, green, black, white, wooden, steel, glass, portable, wireless, electric, classic, "
    "modern, vintage, children's, professional, compact, folding, organic, Italian, Japanese, Swedish, winter, summer",
    ",",
)

ADJECTIVES = {
    "positive": _split(
        "great, excellent, wonderful, fantastic, amazing, superb, brilliant, outstanding, lovely, beautiful, "
        "impressive, perfect, delightful, terrific, marvelous, splendid, remarkable, first-rate, charming, top-notch",
        ",",
    ),
    "negative": _split(
        "terrible, awful, horrible, poor, disappointing, dreadful, useless, lousy, mediocre, faulty, miserable, "
        "pathetic, unacceptable, frustrating, shoddy, flimsy, annoying, atrocious, second-rate, defective",
        ",",
    ),
}
FEELINGS = {
    "positive": _split(
        "love, adore, treasure, enjoy, am delighted with, am thrilled with, am very happy with, cannot praise enough",
        ",",
    ),
    "negative": _split(
        "hate, regret buying, dislike, cannot stand, am upset about, am fed up with, am very unhappy with, "
        "am dismayed at",
        ",",
    ),
}
OUTCOMES = {
    "positive": _split(
        "I could not be happier | it was a wonderful surprise | it has been a joy ever since | "
        "it won me over at once | I am still smiling | it works flawlessly"
    ),
    "negative": _split(
        "I could not be more annoyed | it was a bitter disappointment | it has been nothing but trouble | "
        "it failed me at once | I am still angry | it never worked"
    ),
}
CLOSERS = {
    "positive": _split(
        "Highly recommended. | I would gladly buy it again. | Worth every penny. | Five well deserved stars. | "
        "My friends are jealous. | I happily recommend it to everyone. | A real treasure. | You will not be sorry. | "
        "I am truly impressed. | Thank you for this gem! | A joy to own. | Two thumbs up!"
    ),
    "negative": _split(
        "Avoid it. | I want my money back. | A waste of money. | One miserable star. | I sent it back. | "
        "I warn everyone about it. | Stay away from this junk. | Never again, what a letdown. | "
        "I regret my purchase. | Save yourself the trouble. | It ruined my day. | What a mess!"
    ),
}
# What surrounds an opinion and has none itself.
PERSONS = _split("sister, brother, neighbor, wife, husband, daughter, son, mother, father, friend, boss, uncle", ",")
TIMES = _split(
    "last week, a month ago, in spring, two days ago, for my birthday, on Monday, last year, at a market", ","
)
USES = _split(
    "at home | at work | on weekends | every morning | after work | on vacation | with the kids | in the evening | "
    "most days | when guests come over"
)

SENTIMENTS = ("positive", "negative")
# Other words a request may use for the two sentiments.
SENTIMENT_SYNONYMS = {
    "positive": _split("happy, enthusiastic, favorable, glowing", ","),
    "negative": _split("critical, unhappy, angry, unfavorable", ","),
}

_WORD = re.compile(r"[a-z][a-z'-]*")


def words_of(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _opinion_words(sentiment: str) -> set[str]:
    phrases = [*ADJECTIVES[sentiment], *FEELINGS[sentiment], *OUTCOMES[sentiment], *CLOSERS[sentiment]]
    phrases += [phrase for by_sentiment in PREDICATES.values() for phrase in by_sentiment[sentiment]]
    return words_of(" ".join(phrases))


# Words that could as well stand in a text of the other sentiment.
_NEUTRAL = words_of(
    " ".join([*FEATURES, *ALL_PRODUCTS, *MODIFIERS, *PERSONS, *TIMES, *USES])
    + """
    a about all an and any anyone anything are arrival arrived as at away back be best but buy buying by came
    can charge charges close cold comes costs daily day deep does down drops dry early end even ever everyone
    everything extra far feel few first five for free friends from full gets goes highest hot hour hours i in is
    it its just kind leave leaves left let lets like long lot lots made makes me mile miles mind minute minutes
    much my need no not of off on one only opens own person photo purchase quick real really right room runs
    second seconds short simple simply since standards star stars stay stays tells than the this time to too
    took touch truly try turns use want was wash way weeks well went what whole will wind with within worked
    works would you yourself
    """
)
MARKERS = {
    "positive": _opinion_words("positive") - _opinion_words("negative") - _NEUTRAL,
    "negative": _opinion_words("negative") - _opinion_words("positive") - _NEUTRAL,
}
KNOWN_WORDS = _NEUTRAL | _opinion_words("positive") | _opinion_words("negative")


def sentiment_of(text: str) -> str | None:
    """The sentiment of a text, or None when it carries words of both kinds or of neither."""
    words = words_of(text)
    found = [sentiment for sentiment in SENTIMENTS if words & MARKERS[sentiment]]
    return found[0] if len(found) == 1 else None

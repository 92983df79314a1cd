"""The words of the oracle's lists by theme, which is the domain of a task."""

_NAMED = {
    "animals": (
        "badger camel cobra crow donkey eagle ferret gecko goat goose hamster heron horse "
        "hyena jackal koala lizard lynx magpie mole moose otter owl panda parrot pigeon "
        "rabbit raven salmon seal shark stork tiger toad turtle walrus wolf wombat yak zebra"
    ),
    "kitchen": (
        "apron blender bottle bowl butter cheese cinnamon colander cup dish flour garlic "
        "ginger grater honey jar kettle knife ladle lemon lentil mint mug mustard noodle "
        "olive oven pan peach pear pepper plum raisin rice salt saucer spoon stove sugar "
        "toaster"
    ),
    "garden": (
        "acorn bamboo bark basil berry birch branch bulb bush cactus cedar daisy elm fern fir "
        "flower grove hedge heather holly iris lawn leaf lilac lily maple moss nettle oak "
        "orchid palm pine poppy reed root rose stem thistle tulip willow"
    ),
    "travel": (
        "airport avenue bicycle boat bridge bus canal canoe castle coast compass engine ferry "
        "flag forest harbor hotel island lagoon lake lantern map market museum ocean passport "
        "pier pilot plane port road sail ship station street suitcase ticket train tunnel "
        "village"
    ),
    "workshop": (
        "anvil bench bolt box broom brush cable chain chisel clamp crate file glove glue "
        "hammer handle hinge hook iron ladder lever magnet nail needle nut paint plank pliers "
        "pulley pump rope saw screw shovel spring steel tray vise wire wrench"
    ),
    "sky": (
        "autumn cloud comet cosmos cyclone dawn drizzle dusk east eclipse evening frost "
        "galaxy gale hail haze ice light lunar meteor midnight monsoon moon morning nebula "
        "night north orbit planet rain rainbow sky snow solar south star summer sun sunset "
        "thunder"
    ),
}

NUMBERS = "numbers"
THEMES: dict[str, tuple[str, ...]] = {
    **{theme: tuple(words.split()) for theme, words in _NAMED.items()},
    NUMBERS: tuple(str(number) for number in range(20, 60)),
}
_THEME_OF = {word: theme for theme, words in THEMES.items() for word in words}


def theme_of(items: tuple[str, ...]) -> str | None:
    """Return the theme of most `items`; None if no word is known."""
    known = [_THEME_OF[item.lower()] for item in items if item.lower() in _THEME_OF]
    return max(sorted(set(known)), key=known.count) if known else None

"""The program's two themes, dark and light. Muted background colours let the colours of the data stand out."""

from textual.theme import Theme

DARK = Theme(
    name="charrnn-dark",
    primary="#6cb6ff",
    secondary="#8590a0",
    accent="#e6b450",
    foreground="#d3d9e2",
    background="#0f1217",
    surface="#161b22",
    panel="#1f2630",
    success="#5fcf80",
    warning="#e6b450",
    error="#f47067",
    variables={
        "border": "#6cb6ff",
        "border-blurred": "#3d4654",
        "scrollbar": "#3d4654",
        "scrollbar-background": "#161b22",
        "scrollbar-background-hover": "#161b22",
        "scrollbar-background-active": "#161b22",
        "footer-background": "#161b22",
        "footer-key-foreground": "#6cb6ff",
        "input-selection-background": "#6cb6ff 30%",
    },
)

LIGHT = Theme(
    name="charrnn-light",
    primary="#0b5cad",
    secondary="#5b6675",
    accent="#9a5b00",
    foreground="#1d232b",
    background="#fbfbf8",
    surface="#f1f1ec",
    panel="#e4e4dd",
    success="#1b7f3b",
    warning="#9a5b00",
    error="#b3261e",
    dark=False,
    variables={
        "border": "#0b5cad",
        "border-blurred": "#b4b8bd",
        "scrollbar": "#b4b8bd",
        "scrollbar-background": "#f1f1ec",
        "scrollbar-background-hover": "#f1f1ec",
        "scrollbar-background-active": "#f1f1ec",
        "footer-background": "#f1f1ec",
        "footer-key-foreground": "#0b5cad",
        "input-selection-background": "#0b5cad 25%",
    },
)

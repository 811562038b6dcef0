"""The program on the screen: the apps, and the conversation between the screen and a run."""

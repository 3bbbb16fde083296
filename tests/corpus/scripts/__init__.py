"""Whole programs in the style of real code, as `fournil run` gets them.

They lie in folders by what blocks them. The line that does so ends in `# blocks: CLASS`, or
`CLASS|CLASS` where more than one is true; a mark on a line of its own says that no line is to
blame. Marks of one class that follow each other are one place: the lines of a loop, of which
chance decides which weighs most. A mark `# blocks: CLASS, also` begins a further place of
the same class. In `harmless`, nothing is to be said that blames the program.

`python -m tests.corpus.scripts --runs 5` prints how often each was told right; what needs a
package that is not installed is left out by name.
"""

"""`python -m univar.cli`, which torchrun starts too."""

from univar.cli.main import main

if __name__ == "__main__":
    main()

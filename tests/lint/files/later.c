/* TODO: this */

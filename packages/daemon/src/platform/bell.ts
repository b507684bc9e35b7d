/** Tells those who wait that something has changed; what it is they look up themselves. */
export class Bell {
  #rung = Promise.withResolvers<void>();

  /** Resolves at the next `ring`. Ask before looking, so that nothing is missed in between. */
  next(): Promise<void> {
    return this.#rung.promise;
  }

  ring(): void {
    const { resolve } = this.#rung;
    this.#rung = Promise.withResolvers<void>();
    resolve();
  }
}

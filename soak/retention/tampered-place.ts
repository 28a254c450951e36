import type { Place } from './place.js'

/** A place that somebody tampers with, and that is put back afterwards. */
export class TamperedPlace implements Pick<Place, 'files' | 'read' | 'write' | 'remove'> {
  readonly #place: Place
  readonly #undo: (() => Promise<void>)[] = []

  constructor(place: Place) {
    this.#place = place
  }

  files(): Promise<readonly string[]> {
    return this.#place.files()
  }

  read(file: string): Promise<Buffer> {
    return this.#place.read(file)
  }

  async write(file: string, bytes: Uint8Array): Promise<void> {
    await this.#keep(file)
    await this.#place.write(file, bytes)
  }

  async remove(file: string): Promise<void> {
    await this.#keep(file)
    await this.#place.remove(file)
  }

  /** What puts something back that was done to the place itself. */
  undoneBy(undo: () => Promise<void>): void {
    this.#undo.push(undo)
  }

  async putBack(): Promise<void> {
    for (const undo of this.#undo.splice(0).toReversed()) await undo()
  }

  async #keep(file: string): Promise<void> {
    const was = (await this.files()).includes(file) ? await this.read(file) : undefined
    this.#undo.push(() => (was === undefined ? this.#place.remove(file) : this.#place.write(file, was)))
  }
}

import type { ClientBase, Submittable } from 'pg'

/** A value of a statement: text as Postgres reads it, or the bytes of a `bytea`. */
export type Value = string | Buffer | null

/** One statement of a {@link runTogether}: a prepared one by its name, or its text. `tag` is how it must end. */
export type Step = { readonly values: readonly Value[]; readonly tag: string } & (
  | { readonly name: string; readonly text?: never }
  | { readonly name?: never; readonly text: string }
)

/** The answer is not what these statements are answered with: nothing is known of what was done. */
class NotAnswered extends Error {
  override readonly name = 'NotAnswered'
}

/** What node-postgres gives to a query that it runs, and its types lack. */
interface Wire {
  parse(message: { text: string }): void
  bind(message: { statement: string; values: readonly Value[] }): void
  execute(message: object): void
  sync(): void
  readonly stream: { cork(): void; uncork(): void }
}

/**
 * Runs statements in one round trip, and in one transaction of their own: there is one Sync, behind the last of
 * them.
 *
 * @returns the only value of the only row of the last one
 * @throws the server's error, and then nothing is done; {@link NotAnswered}; what the connection throws
 */
export function runTogether(client: ClientBase, steps: readonly Step[]): Promise<string> {
  return new Promise((resolve, reject) => {
    client.query(new Pipeline(steps, resolve, reject))
  })
}

/** A query of node-postgres, which calls the `handle…` methods. */
class Pipeline implements Submittable {
  readonly #steps: readonly Step[]
  readonly #resolve: (value: string) => void
  readonly #reject: (error: Error) => void
  readonly #tags: string[] = []
  /** Of the statement that is being answered. */
  #rows: (readonly unknown[])[] = []
  #last: (readonly unknown[])[] = []

  constructor(steps: readonly Step[], resolve: (value: string) => void, reject: (error: Error) => void) {
    this.#steps = steps
    this.#resolve = resolve
    this.#reject = reject
  }

  submit(connection: unknown): void {
    const wire = connection as Wire
    wire.stream.cork()
    try {
      for (const { name, text, values } of this.#steps) {
        if (text !== undefined) wire.parse({ text })
        wire.bind({ statement: name ?? '', values })
        wire.execute({})
      }
      wire.sync()
    } finally {
      wire.stream.uncork()
    }
  }

  handleRowDescription(): void {}

  handleDataRow({ fields }: { readonly fields: readonly unknown[] }): void {
    this.#rows.push(fields)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#tags.push(text)
    this.#last = this.#rows
    this.#rows = []
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleError(error: Error): void {
    this.#reject(error)
  }

  handleReadyForQuery(): void {
    const value = this.#last.length === 1 ? this.#last[0]?.[0] : undefined
    const isAsExpected =
      this.#tags.length === this.#steps.length && this.#steps.every(({ tag }, i) => tag === this.#tags[i])
    if (isAsExpected && typeof value === 'string') this.#resolve(value)
    else this.#reject(new NotAnswered('the answer is not one to these statements'))
  }
}

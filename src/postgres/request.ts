import { givenOptions } from '../host/own.js'
import { type Result, Statement, type StatementConfig } from './statement.js'
import { BadAnswer, type Exchange, type Message, type Wire } from './wire.js'

/** A statement among several, and how the server must say that it was done: `SELECT 1`. */
export interface Step extends StatementConfig {
  readonly tag: string
}

/**
 * Statements before one Sync: one round trip, and (without a transaction that is open) one transaction. Their answers come one
 * behind the other, and then one ReadyForQuery.
 */
export class Request implements Exchange {
  readonly #statements: readonly Statement[]
  readonly #isSimple: boolean
  readonly #alone: boolean
  readonly #resolve: (results: readonly Result[]) => void
  readonly #reject: (error: Error) => void
  /** Which one is being answered. */
  #at = 0

  /** @param alone they must be a transaction of their own */
  constructor(
    configs: readonly StatementConfig[],
    alone: boolean,
    resolve: (results: readonly Result[]) => void,
    reject: (error: Error) => void,
  ) {
    // A name on `Object.prototype` would make a prepared statement of a text that may hold several.
    const own = configs.map((config) => givenOptions(config))
    const [{ name, values = [] } = {} as Partial<StatementConfig>] = own
    this.#isSimple = own.length === 1 && name === undefined && values.length === 0
    this.#statements = own.map((config) => new Statement(config, !this.#isSimple))
    this.#alone = alone
    this.#resolve = resolve
    this.#reject = reject
  }

  send(wire: Wire): void {
    if (this.#alone && wire.status !== 'I') throw new BadAnswer('a transaction is open')
    const { stream } = wire.connection
    stream.cork?.()
    try {
      for (const statement of this.#statements) statement.send(wire)
      if (!this.#isSimple) wire.connection.sync()
    } finally {
      stream.uncork?.()
    }
  }

  take(message: Message): void {
    const isLast = this.#at === this.#statements.length - 1
    const isEnd = message.name === 'readyForQuery'
    if (isEnd && !isLast) throw new BadAnswer('an answer that leaves statements out')
    if (!isEnd && !isLast && this.#statements[this.#at]?.isAnswered === true) this.#at++
    this.#statements[this.#at]?.take(message)
  }

  end(status: string, error: Error | undefined): void {
    if (this.#alone && status !== 'I') return this.#reject(new BadAnswer('the transaction is still open'))
    if (error !== undefined) return this.#reject(error)
    this.#resolve(this.#statements.map(({ result }) => result))
  }

  fail(error: Error): void {
    this.#reject(error)
  }
}

/**
 * Runs statements in one round trip, and in one transaction of their own.
 *
 * @returns what each of them gave
 * @throws the server's error, and then nothing is done; BadAnswer, and then what was sent may have been carried out
 */
export async function runTogether(wire: Wire, steps: readonly Step[]): Promise<readonly Result[]> {
  const results = await new Promise<readonly Result[]>((resolve, reject) => {
    wire.run(new Request(steps, true, resolve, reject))
  })
  if (steps.some(({ tag }, i) => results[i]?.tag !== tag)) {
    throw new BadAnswer('an answer that is not one to these statements')
  }
  return results
}

import { Connection } from 'pg'

/** A statement with parameters, as it went to the server. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** The messages of node-postgres that carry them, and that its types lack. */
interface Sender {
  query: (this: Sender, text: string) => void
  parse: (this: Sender, statement: { readonly text: string; readonly name?: string }) => void
  bind: (this: Sender, portal: { readonly statement?: string; readonly values?: readonly unknown[] }) => void
}

/** What all connections of node-postgres send while `work` runs, its clients or not: nothing else may be under way. */
export async function statementsOf(work: () => Promise<unknown>): Promise<Statement[]> {
  const sent: Statement[] = []
  const texts = new Map<string, string>()
  const sender = Connection.prototype as unknown as Sender
  const { query, parse, bind } = sender
  sender.query = function (text) {
    sent.push({ text, values: [] })
    query.call(this, text)
  }
  sender.parse = function (statement) {
    texts.set(statement.name ?? '', statement.text)
    parse.call(this, statement)
  }
  sender.bind = function (portal) {
    const text = texts.get(portal.statement ?? '')
    if (text === undefined) throw new Error('a statement was prepared before it was looked for')
    sent.push({ text, values: portal.values ?? [] })
    bind.call(this, portal)
  }
  try {
    await work()
  } finally {
    Object.assign(sender, { query, parse, bind })
  }
  return sent
}

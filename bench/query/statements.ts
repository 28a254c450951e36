import { Client } from 'pg'

/** A statement with parameters, as it went to node-postgres. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** What all clients of node-postgres are given while `work` runs: nothing else may be under way. */
export async function statementsOf(work: () => Promise<unknown>): Promise<Statement[]> {
  const sent: Statement[] = []
  const prototype = Client.prototype as { query: (...args: unknown[]) => unknown }
  const { query } = prototype
  prototype.query = function (...args) {
    const [statement, values] = args as [string | Partial<Statement>, unknown[]?]
    const { text = '', values: given } = typeof statement === 'string' ? { text: statement } : statement
    sent.push({ text, values: values ?? given ?? [] })
    return query.apply(this, args)
  }
  try {
    await work()
  } finally {
    prototype.query = query
  }
  return sent
}

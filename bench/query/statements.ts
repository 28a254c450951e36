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
    const [text, values = []] = args as [string, unknown[]?]
    sent.push({ text, values })
    return query.apply(this, args)
  }
  try {
    await work()
  } finally {
    prototype.query = query
  }
  return sent
}

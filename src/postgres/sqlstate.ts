/**
 * What an answer of the server says about a statement that it refused.
 *
 * * `retry`: nothing is stored; the same again may succeed.
 * * `lasting`: nothing is stored, and only a person can mend it.
 * * `data`: nothing is stored; a row can never be stored as it is.
 * * `duplicate`: nothing is stored; an id is already there.
 * * `unknown`: it may be stored.
 */
export type ServerVerdict = 'retry' | 'lasting' | 'data' | 'duplicate' | 'unknown'

/**
 * The one table of SQLSTATEs: a whole code, else its class of two characters, else `data`: a code that is not the
 * server's was raised by a trigger of the owner's, about the row.
 */
const VERDICTS: Readonly<Record<string, ServerVerdict>> = Object.freeze({
  '08': 'retry', // connection of the server to another one
  '08007': 'unknown', // the server cannot tell how the transaction ended
  '0A': 'retry', // "cached plan must not change result type", after a migration
  '22': 'data',
  '23': 'data',
  '23505': 'duplicate',
  '25': 'retry',
  '25006': 'lasting', // read-only transaction: a standby, or default_transaction_read_only
  '26': 'retry', // the prepared statement is gone
  '28': 'lasting', // authentication
  '3D': 'lasting', // no such database
  '3F': 'lasting', // no such schema
  '40': 'retry', // serialization failure, deadlock
  '40003': 'unknown', // the server cannot tell how the statement ended
  '42': 'lasting', // missing table, column, privilege
  '53': 'retry', // out of disk, memory, connections
  '54': 'data', // a program limit, such as a row too wide for an index
  '55': 'retry', // object in use, lock not available
  '57': 'retry', // cancelled, shutting down, starting up
  '58': 'retry', // I/O error of the server
  '72': 'retry', // snapshot too old
  F0: 'retry', // configuration file
  HV: 'retry', // a foreign server
  XX: 'retry', // internal error
})

export function serverVerdict(sqlState: string): ServerVerdict {
  return VERDICTS[sqlState] ?? VERDICTS[sqlState.slice(0, 2)] ?? 'data'
}

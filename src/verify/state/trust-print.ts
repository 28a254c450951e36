import { JSON } from '../../host/globals.js'
import { sha256 } from '../../event/sha256.js'
import { VerifierKey } from '../../chain/note-key.js'
import type { Trust } from '../trust.js'

/**
 * SHA-256 of all in a trust file that what was verified depends on. What was in order by one may not be by another: a chain that no
 * key has enrolled, or a server that it does not name.
 */
export function trustPrint(trust: Trust): string {
  const { origin, enrolment, unsigned, rowsFrom, restoredBelow } = trust
  const { trails = [], systems = [], heads = [], unenrolledBefore, retention = [] } = trust
  const said = {
    origin,
    enrolment,
    unsigned,
    rowsFrom,
    restoredBelow,
    trails,
    systems,
    heads: heads.map(({ chain, block, hash }) => [chain, block, Buffer.from(hash).toString('hex')]),
    unenrolledBefore,
    retention,
  }
  const text = JSON.stringify(said, (_, value: unknown) =>
    typeof value === 'bigint' || value instanceof VerifierKey ? String(value) : value,
  )
  return sha256(text).toString('hex')
}

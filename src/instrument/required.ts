import { AuditError } from '../errors.js'
import type { Coverage } from './coverage.js'
import { isCovered } from './known-clients.js'
import type { Watch } from './open-access.js'

/** Of these, what `instrument: 'required'` refuses. */
export function uncovered({ coverage, settings }: Pick<Watch, 'coverage' | 'settings'>): readonly Coverage[] {
  return settings.instrument === 'required' ? coverage.entries().filter((entry) => !isCovered(entry)) : []
}

/** The error about clients that are not covered and have to be. Names and reasons, never what was accessed. */
export function notCovered(
  entries: readonly Pick<Coverage, 'name' | 'version' | 'state' | 'reason'>[],
): AuditError {
  const texts = entries.map(({ name, version, state, reason }) => {
    const client = version === undefined ? name : `${name}@${version}`
    return `${client} is ${state}${reason === undefined ? '' : ` (${reason})`}`
  })
  return new AuditError('AUDIT_NOT_COVERED', `instrument is required, and ${texts.join('; ')}`)
}

import type { ClientHook } from '../client-hook.js'
import { KNOWN_CLIENTS } from '../known-clients.js'

const NOT_COVERED = [...KNOWN_CLIENTS].filter(([, { layer }]) => layer === 'none')

/** Clients that nothing sees: that a process has loaded one is said, and refused where coverage is required. */
export const NOT_COVERED_HOOK: ClientHook = {
  name: 'not-covered',
  packages: NOT_COVERED.map(([name]) => name),
  supportedVersions: ['*'],
  hook(_exports, { copy }) {
    copy.notHooked(KNOWN_CLIENTS.get(copy.name)?.note ?? 'nothing sees it')
    return undefined
  },
}

import type { Watch } from '../open-access.js'
import { watchFetch } from './fetch.js'
import { watchHttp } from './http.js'
import { watchHttp2 } from './http2.js'
import { watchUndici } from './undici.js'

const WATCHED = Symbol.for('otel-audit.wire.v1')

/**
 * Watches the traffic of the process: layer 2. Once in a process, whichever copy of this package is first.
 *
 * @returns ends it
 */
export function watchWire(watch: Watch): () => void {
  const holder = globalThis as { [WATCHED]?: true }
  if (holder[WATCHED]) return () => undefined
  holder[WATCHED] = true
  const ends = [watchHttp(watch), watchUndici(watch), watchFetch(), watchHttp2(watch)]
  return () => {
    for (const end of ends) end()
    delete holder[WATCHED]
  }
}

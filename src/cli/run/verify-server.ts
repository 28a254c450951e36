import type { Snapshot } from '../../postgres/read/snapshot.js'
import type { Trust } from '../../verify/trust.js'

/** Told, and not a finding: it changes with every major upgrade. */
export async function tellServer(reader: Snapshot, { systems = [] }: Trust): Promise<void> {
  const { system } = systems.length === 0 ? { system: null } : await reader.place()
  if (system === null || systems.includes(system)) return
  process.stderr.write(
    `otel-audit: this is server ${system}, which the trust file does not name: it was upgraded, or the trail was restored, moved or cloned here\n`,
  )
}

import type { Flags } from '../read-flags.js'
import { theOne, withQuarantine } from './quarantine-session.js'

export async function run(id: string, flags: Flags): Promise<void> {
  await withQuarantine(flags, async ({ quarantine, who, record }) => {
    const item = await theOne(quarantine, id)
    await record('discard', { quarantine_id: id })
    await quarantine.decide(item, { decision: 'discarded', decidedBy: who.actorId })
    process.stdout.write(`${id}\n`)
  })
}

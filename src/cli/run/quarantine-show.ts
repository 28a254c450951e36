import { JSON } from '../../host/globals.js'
import { visible, visibleJson } from '../../host/visible.js'
import type { Flags } from '../read-flags.js'
import { theOne, withQuarantine } from './quarantine-session.js'

const LINE_BYTES = 64

export async function run(id: string, flags: Flags): Promise<void> {
  await withQuarantine(flags, async ({ quarantine, record }) => {
    const item = await theOne(quarantine, id)
    await record('show', { quarantine_id: id })
    const raw = await quarantine.raw(item)
    const facts = JSON.stringify({ ...item, quarantineId: id }, undefined, 2)
    process.stdout.write(visibleJson(`${facts}\n`))
    process.stdout.write(item.format.endsWith('/json') ? `${visible(raw.toString('utf8'))}\n` : dump(raw))
  })
}

/** Offsets, and what of the bytes is text. */
function dump(raw: Buffer): string {
  let text = ''
  for (let at = 0; at < raw.length; at += LINE_BYTES) {
    const line = raw.toString('latin1', at, at + LINE_BYTES).replaceAll(/[^\x20-\x7e]/g, '.')
    text += `${at.toString(16).padStart(6, '0')}  ${line}\n`
  }
  return text
}

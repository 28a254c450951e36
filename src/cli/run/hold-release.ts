import type { Command } from 'commander'
import { endHold, readHolds } from '../../archive/holds.js'
import { readRetirements } from '../../archive/retirement-state.js'
import { AuditError } from '../../errors.js'
import { holdRow } from '../../event/self-rows.js'
import { visible } from '../../host/visible.js'
import { tellMarks } from './held-archives.js'
import { type HoldFlags, withHolds } from './hold-session.js'
import { operator } from './trail-writer.js'

interface HoldReleaseFlags extends HoldFlags {
  readonly id?: string
  readonly reason?: string
}

export async function run(flags: HoldReleaseFlags, command: Command): Promise<void> {
  const { id = '', reason = '' } = flags
  if (!/^\d{1,18}$/.test(id)) command.error('--id takes the number that `otel-audit hold list` shows')
  if (reason === '' || reason.length > 500) command.error('--reason TEXT is required: up to 500 characters')
  const marks = await withHolds(flags, true, async ({ schema, ask, record }) => {
    const { actorId } = operator()
    const ended = await ask((client) => endHold(client, schema, id, actorId))
    if (ended === undefined) {
      throw new AuditError('AUDIT_RETENTION', `there is no hold ${id}, or it was released before`, {
        remedy: '`otel-audit hold list --all` shows all of them.',
      })
    }
    await record(holdRow({ action: 'release', hold: id, credential: ended.credential, reason }, operator()))
    process.stdout.write(`hold ${id} on ${visible(ended.credential)} is released\n`)
    const holds = await ask((client) => readHolds(client, schema))
    return {
      retirements: await ask((client) => readRetirements(client, schema)),
      about: holds.filter((one) => one.id === id),
      active: holds.filter(({ releasedAt }) => releasedAt === null),
    }
  })
  await tellMarks(marks)
}

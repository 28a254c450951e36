import type { Command } from 'commander'
import { retire } from '../../archive/retire.js'
import { retirePlan, type RetireOutcome } from '../../archive/retire-plan.js'
import { chainStartsRow, retentionRow } from '../../event/self-rows.js'
import { visible, visibleLines } from '../../host/visible.js'
import { archivesAt } from './archive-place.js'
import { type RetentionFlags, refuseYoung, retentionCommand, retentionSigner } from './retention-session.js'
import { openTrailWriter, operator } from './trail-writer.js'
import { trustFrom } from './verify-input.js'
import { findingLine } from './verify-output.js'

interface RetireFlags extends RetentionFlags {
  readonly patience?: string
  readonly withoutArchive?: boolean
  readonly trust?: string
  readonly dryRun?: boolean
}

const EXIT_NOT_ALL = 1

export async function run(flags: RetireFlags, command: Command): Promise<void> {
  if (flags.before === undefined) command.error('--before DATE is required')
  const patience = /^\d{1,6}$/.test(flags.patience ?? '') ? Number(flags.patience) : undefined
  if (patience === undefined) command.error('--patience takes seconds')
  const given = retentionCommand(flags)
  const { settings, databaseUrl, bound } = given
  refuseYoung(bound, settings)
  const { schema } = settings
  const withoutArchive = flags.withoutArchive ?? false
  if (flags.dryRun === true) {
    const planned = await retirePlan({ databaseUrl, schema, withoutArchive }, bound)
    for (const outcome of planned) tell(outcome)
    return end(planned)
  }
  const trust = await trustFrom(flags.trust)
  const signing = await retentionSigner(given, trust)
  const writer = openTrailWriter(settings, databaseUrl)
  try {
    const outcomes = await retire(
      {
        databaseUrl,
        schema,
        ...signing,
        trust,
        acceptFindings: false,
        withoutArchive,
        patienceMs: patience * 1000,
        storeAt: archivesAt,
        record: (retention, note) => writer.record(retentionRow(retention, note, operator())),
        recordStarts: (starts, note) => writer.record(chainStartsRow(starts, note, operator())),
        onOutcome: tell,
        onLine: (line) => process.stderr.write(`${visible(line)}\n`),
        onRows: () => {},
        onFinding: (finding) => process.stdout.write(`${visible(findingLine(finding))}\n`),
      },
      bound,
    )
    end(outcomes)
  } finally {
    await writer.close()
  }
}

/** At once: what fails later does not take it back. */
function tell({ partition, outcome, detail }: RetireOutcome): void {
  process.stdout.write(visibleLines([`${partition}: ${outcome}: ${detail}`, '']))
}

function end(outcomes: readonly RetireOutcome[]): void {
  if (outcomes.length === 0) process.stdout.write('there is nothing to retire\n')
  if (outcomes.some(({ outcome }) => outcome !== 'retired' && outcome !== 'would be retired'))
    process.exitCode = EXIT_NOT_ALL
}

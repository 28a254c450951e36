import type { Judgement, Mark } from './verdict.js'

/** Faults that are listed one by one. */
const LISTED = 20

/** What a person wants to know beside the verdict. */
export function textReport({ faults, losses, verdict }: Judgement): string {
  const byReason = new Map<string, number>()
  for (const { why } of losses) byReason.set(why, (byReason.get(why) ?? 0) + 1)
  const lines = [...byReason].map(([why, count]) => `lost for a known reason: ${count} ${why}`)
  if (faults.length > 0) {
    lines.push(...faults.slice(0, LISTED).map(described))
    if (faults.length > LISTED) lines.push(`… and ${faults.length - LISTED} more`)
  }
  lines.push(`${verdict.stored} of ${verdict.emitted} events are stored`)
  return lines.join('\n')
}

/** Every event that is not in the table, as NDJSON. */
export function lossList({ losses, faults }: Judgement): string {
  const marks: readonly Mark[] = [...faults, ...losses]
  return marks
    .map(({ account, why }) => {
      if (account === undefined) return `${JSON.stringify({ why })}\n`
      const { n, auditId, mode, outcome, life } = account
      return `${JSON.stringify({ why, execution_id: n, audit_id: auditId, mode, outcome, writer: life.number })}\n`
    })
    .join('')
}

function described({ account, why }: Mark): string {
  if (account === undefined) return `wrong: ${why}`
  const { life, ...known } = account
  return `wrong: ${why}: ${JSON.stringify({ ...known, writer: life.number, closed: life.closed })}`
}

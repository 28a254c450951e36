import { toHex } from '../chain/hash.js'
import { AuditError } from '../errors.js'
import type { ChainSummary } from './chain-walk.js'

/** A trail, when trust in it begins. */
export interface Beginning {
  readonly trail: string
  /** The server that it is on. Null: that cannot be asked. */
  readonly system: string | null
  readonly chains: readonly Pick<
    ChainSummary,
    'chain' | 'log' | 'system' | 'foreign' | 'head' | 'lastId' | 'enrolled'
  >[]
}

export interface BegunTrust {
  /** Of the trust file. */
  readonly text: string
  /** How many chains are pinned. */
  readonly pinned: number
  /** What the auditor should know besides. */
  readonly remarks: readonly string[]
}

/**
 * A trust file of what is there now: the trail, its server, and the last proven block of each chain, so that an enrolment key
 * which is introduced today makes yesterday's chains pinned, and not suspect. Blocks that nothing proves are not pinned.
 *
 * @param known what the auditor says: the log, verifier keys of the operator, and the time
 * @throws AuditError `AUDIT_INVALID_OPTION` where chains are of several logs, or of none, and nobody says which is meant
 */
export function beginTrust(
  { trail, system, chains }: Beginning,
  known: { readonly origin: string | undefined; readonly enrolment: readonly string[]; readonly at: Date },
): BegunTrust {
  const remarks: string[] = []
  const proven = chains.flatMap((chain) => {
    const { head, log } = chain
    if (head !== undefined && log !== undefined) return [{ ...chain, head, log }]
    const why = chain.foreign ? 'is of another trail' : 'has no block that is proven'
    remarks.push(`chain ${chain.chain} ${why}: it is not pinned, and will be a finding`)
    return []
  })
  const origin = known.origin ?? onlyLog(proven.map(({ log }) => log))
  const ours = proven.filter(({ log }) => log === origin)
  for (const { chain, log } of proven) {
    if (log !== origin)
      remarks.push(`chain ${chain} is of log ${log}: it is not pinned, and will be a finding`)
  }
  const systems = systemsOf(system, ours)
  if (systems.length === 0) {
    remarks.push('the server, or that of a chain, is not known: the file has no line "system"')
  }
  if (systems.length > 1) {
    remarks.push(
      `chains began on ${systems.length} servers, and the file names them all: remove a line "system" that you do not know`,
    )
  }
  const before = ours
    .filter(({ enrolled }) => !enrolled)
    .reduce((most, { lastId = -1n }) => (lastId >= most ? lastId + 1n : most), 0n)
  const statements = [
    `# Written by otel-audit trust init, ${known.at.toISOString()}, from what was there: it is not proof of what was before.`,
    `origin ${origin}`,
    `trail ${trail}`,
    ...systems.map((id) => `system ${id}`),
    ...known.enrolment.map((key) => `enrolment ${key}`),
    ...(before > 0n ? [`unenrolled before ${before}`] : []),
    ...ours.map(({ chain, head }) => `head ${chain} ${head.block} ${toHex(head.hash)}`),
  ]
  return { text: `${statements.join('\n')}\n`, pinned: ours.length, remarks }
}

function onlyLog(logs: readonly string[]): string {
  const [log, ...others] = new Set(logs)
  if (log !== undefined && others.length === 0) return log
  const which =
    log === undefined ? 'no chain names a log' : `there are chains of ${[log, ...others].join(' and ')}`
  throw new AuditError('AUDIT_INVALID_OPTION', `${which}: say which one is meant (--origin)`, {
    field: 'origin',
  })
}

/** Each that is needed for all chains to be of a server that is known; none where one of them cannot say. */
function systemsOf(
  system: string | null,
  chains: readonly Pick<ChainSummary, 'system'>[],
): readonly string[] {
  const named = chains.map((chain) => chain.system)
  if (system === null || named.includes(undefined)) return []
  return [...new Set([...named.flatMap((id) => id ?? []), system])]
}

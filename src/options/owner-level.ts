import type { HealthFinding } from '../contract/sink.js'
import { OWNER_CHECK } from '../postgres/owner.js'

type Environment = Readonly<Record<string, string | undefined>>

/** What says that nobody relies on the trail. */
const DEVELOPMENT: ReadonlySet<string | undefined> = new Set(['development', 'test'])

/**
 * A service that may rewrite its own trail is a warning in development (`NODE_ENV`, or `autoMigrate`, which needs the
 * owner), and an error in production and in strict mode.
 */
export function withOwnerLevel(
  findings: readonly HealthFinding[],
  { isStrict, autoMigrate }: { readonly isStrict: boolean; readonly autoMigrate: boolean },
  env: Environment,
): readonly HealthFinding[] {
  const isDevelopment = autoMigrate || DEVELOPMENT.has(env['NODE_ENV'])
  const isGrave = !isDevelopment && (isStrict || env['NODE_ENV'] === 'production')
  if (!isGrave) return findings
  return findings.map((finding) =>
    finding.check === OWNER_CHECK ? { ...finding, level: 'error' as const } : finding,
  )
}

import type { OptionSpec } from './option-spec.js'

/** Every option of `otel-audit verify --state` and `--watch`, and of `serve --verify-every`, beside those of reading. */
export const VERIFY_OPTIONS = Object.freeze({
  verifyState: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_VERIFY_STATE'],
    default: undefined,
    doc: 'File that a verification leaves for the next one: only what is new is read then, and a share of what is old. It needs `verifierKeyFile`. Default: everything is verified.',
  },
  verifierKeyFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_VERIFIER_KEY_FILE'],
    default: undefined,
    doc: 'File with the verifier key, PKCS#8 in PEM (`otel-audit keys create --verifier`). It signs the state; no service needs it.',
  },
  verifyFullEvery: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_VERIFY_FULL_EVERY'],
    default: '30d',
    doc: 'Within this time (`30d`, `12h`) everything is read again.',
  },
  verifyEvery: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_VERIFY_EVERY'],
    default: undefined,
    doc: 'How often `otel-audit serve` verifies the trail (`1h`, `30m`). Default: it does not.',
  },
  metricsHost: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_VERIFY_METRICS_HOST'],
    default: '127.0.0.1',
    doc: 'Address that `otel-audit verify --watch` serves its metrics on.',
  },
  metricsPort: {
    kind: 'integer',
    min: 0,
    max: 65_535,
    unit: '',
    variables: ['NOETL_SECRET_AUDIT_VERIFY_METRICS_PORT'],
    default: undefined,
    doc: 'Port for that; 0 for a free one. Default: none are served.',
  },
} satisfies Record<string, OptionSpec>)

/** What is left out comes from the environment, then from the defaults of {@link VERIFY_OPTIONS}. */
export interface VerifyOptionsGiven {
  readonly verifyState?: string | undefined
  readonly verifierKeyFile?: string | undefined
  readonly verifyFullEvery?: string | undefined
  readonly verifyEvery?: string | undefined
  readonly metricsHost?: string | undefined
  readonly metricsPort?: number | undefined
}

type Defaulted = 'verifyFullEvery' | 'metricsHost'

export type VerifySettings = Readonly<
  Required<{ [Name in Defaulted]: NonNullable<VerifyOptionsGiven[Name]> }>
> &
  Omit<VerifyOptionsGiven, Defaulted>

import { Operation, Outcome } from '../../event/vocabulary.js'
import type { Reading } from '../access.js'
import type { ClientHook, HookContext } from '../client-hook.js'
import type { Access } from '../open-access.js'
import { awsOutcomeOf } from './aws-errors.js'
import { hookMethods, isHookedAnywhere, methodsOf, prototypeAt } from './methods.js'
import { errorName, known, textAt } from './named.js'

const METHOD = 'getAuthToken'
const MEMBERS = `Signer.prototype.${METHOD}`

/** The token is signed in the process: no request is made, and no provider has it in its log. */
function tokenAccess(signer: unknown): Access {
  const [user = 'unknown', host = 'unknown', port] = ['username', 'hostname', 'port'].map((name) =>
    textAt(signer, name),
  )
  return {
    provider: 'aws',
    api: METHOD,
    operation: Operation.IssueCredential,
    credential: `rds:${user}@${host}${port === undefined ? '' : `:${port}`}`,
    serverRegion: textAt(signer, 'region'),
  }
}

const READING: Reading<unknown> = {
  rows: () => [{ outcome: Outcome.Ok }],
  failure: (error) => ({
    outcome: awsOutcomeOf(error),
    attributes: known({ 'error.type': errorName(error) }),
  }),
}

const hookOn = (target: object, context: HookContext): readonly string[] =>
  hookMethods(
    target,
    [METHOD],
    () => (call, self, args) =>
      context.audited({
        describe: () => tokenAccess(self),
        call: () => Promise.resolve(call(args)),
        ...READING,
      }),
  )

/** Tokens that open a database of RDS, made by `@aws-sdk/rds-signer`. */
export const RDS_SIGNER_HOOK: ClientHook = {
  name: 'aws-rds-signer',
  packages: ['@aws-sdk/rds-signer'],
  supportedVersions: ['*'],
  hook(exports, context) {
    const prototype = prototypeAt(exports, 'Signer')
    if (prototype !== undefined && hookOn(prototype, context).length > 0) return { members: MEMBERS }
    context.copy.notHooked(`there is no ${MEMBERS}`)
    return undefined
  },
  async probe(exports) {
    const { Signer } = exports as { Signer: new (given: object) => { getAuthToken(): Promise<string> } }
    const credentials = { accessKeyId: 'probe', secretAccessKey: 'probe' }
    const at = { region: 'us-east-1', hostname: 'probe', port: 1, username: 'probe' }
    await new Signer({ ...at, credentials }).getAuthToken()
  },
  hookInstance(client, context) {
    if (methodsOf(client, [METHOD]).length === 0 || !('hostname' in client)) return false
    if (!isHookedAnywhere(client)) hookOn(client, context)
    return true
  },
}

// Reads a secret by the other clients that there are hooks for, and by what is built on them; it has not one line about audit.
// Only what a client needs to find its provider here is unusual.
import { Client as OnePassword } from '@1password/sdk'
import { getSecret } from '@aws-lambda-powertools/parameters/secrets'
import { Signer } from '@aws-sdk/rds-signer'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import { SecretClient } from '@azure/keyvault-secrets'
import { KeyManagementServiceClient } from '@google-cloud/kms'
import { SecretManagerServiceClient } from '@google-cloud/secret-manager'
import middy from '@middy/core'
import secretsManager from '@middy/secrets-manager'
import { grpc } from 'google-gax'
import { serve } from './serving.mjs'

const { AZURE_URL = '', GCP_SECRETS_PORT = '', GCP_KMS_PORT = '', PLAINTEXT = '' } = process.env
const token = { token: 'of-the-workload', expiresOnTimestamp: Date.now() + 3_600_000 }
const credential = { getToken: async () => token }
const azure = { allowInsecureConnection: true, disableChallengeResourceVerification: true }
const google = (port) => ({
  sslCreds: grpc.credentials.createInsecure(),
  apiEndpoint: '127.0.0.1',
  projectId: 'p',
  port: Number(port),
})
const KEY_RING = 'projects/p/locations/global/keyRings/r/cryptoKeys'

serve({
  async 'azure-secrets'(name) {
    return (await new SecretClient(AZURE_URL, credential, azure).getSecret(name)).value
  },
  async 'azure-keys'(name) {
    const { id } = await new KeyClient(AZURE_URL, credential, azure).getKey('orders-db')
    const { result } = await new CryptographyClient(id, credential, azure).encrypt(
      'RSA-OAEP',
      Buffer.from(PLAINTEXT),
    )
    const client = new CryptographyClient(id.replace('/orders-db/', `/${name}/`), credential, azure)
    return Buffer.from((await client.decrypt('RSA-OAEP', result)).result).toString()
  },
  async 'google-secrets'(name) {
    const client = new SecretManagerServiceClient(google(GCP_SECRETS_PORT))
    const [version] = await client.accessSecretVersion({ name: `projects/p/secrets/${name}/versions/latest` })
    return version.payload.data.toString()
  },
  async 'google-kms'(name) {
    const client = new KeyManagementServiceClient(google(GCP_KMS_PORT))
    const [{ plaintext }] = await client.decrypt({
      name: `${KEY_RING}/${name}`,
      ciphertext: Buffer.from('sealed'),
    })
    return plaintext.toString()
  },
  // Its core is WebAssembly that speaks to 1Password alone: in its place one that has the answer.
  async '1password'(name) {
    const invoke = async () => {
      if (name !== 'orders-db') throw new Error('item not found')
      return JSON.stringify(PLAINTEXT)
    }
    return await new OnePassword({ id: 1, invoke }).secrets.resolve(`op://orders/${name}/password`)
  },
  powertools: (name) => getSecret(name, { forceFetch: true }),
  async middy(name) {
    const options = { fetchData: { db: name }, cacheExpiry: 0, disablePrefetch: true, setToContext: true }
    const handler = middy(async (_event, context) => context.db).use(secretsManager(options))
    return await handler({}, { getRemainingTimeInMillis: () => 60_000 })
  },
  'rds-signer': () => new Signer({ hostname: 'db.internal', port: 5432, username: 'orders' }).getAuthToken(),
})

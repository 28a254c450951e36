// Reads one secret by the AWS SDK that is installed beside it.
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'

export async function read(SecretId) {
  // The older ones know no AWS_ENDPOINT_URL.
  const client = new SecretsManagerClient({ endpoint: process.env.AWS_ENDPOINT_URL })
  return (await client.send(new GetSecretValueCommand({ SecretId }))).SecretString
}

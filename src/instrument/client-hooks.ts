import type { ClientHook } from './client-hook.js'
import { AWS_HOOKS } from './clients/aws.js'
import { AZURE_HOOKS } from './clients/azure.js'
import { GCP_HOOKS } from './clients/gcp.js'
import { NOT_COVERED_HOOK } from './clients/not-covered.js'
import { ONEPASSWORD_HOOK } from './clients/onepassword.js'
import { RDS_SIGNER_HOOK } from './clients/rds-signer.js'
import { NODE_VAULT_HOOK } from './clients/vault.js'

/** The hooks of layer 1. */
export const CLIENT_HOOKS: readonly ClientHook[] = [
  ...AWS_HOOKS,
  RDS_SIGNER_HOOK,
  NODE_VAULT_HOOK,
  ...GCP_HOOKS,
  ...AZURE_HOOKS,
  ONEPASSWORD_HOOK,
]

/** What is looked at when it is loaded: the clients with a hook, and those that nothing sees. */
export const LOADED_HOOKS: readonly ClientHook[] = [...CLIENT_HOOKS, NOT_COVERED_HOOK]

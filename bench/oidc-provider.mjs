// npm oidc-provider as OAuth 2.1 authorization server, set up to do what Vestibule does in the same measurement:
// a public client with PKCE, login and consent pages, opaque tokens, refresh tokens that rotate, no ID token.
// Its packages are those of tests/node. Its store is its own in-memory adapter: nothing of it survives the process.
import { generateKeyPairSync } from 'node:crypto';
import Provider from '../tests/node/node_modules/oidc-provider/lib/index.js';

const { PORT, CLIENT_ID, REDIRECT_URI } = process.env;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'ES256' }] },
  clients: [{
    client_id: CLIENT_ID,
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    id_token_signed_response_alg: 'ES256',
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  }],
  scopes: ['mcp'],
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  pkce: { required: () => true },
  issueRefreshToken: () => true,
  rotateRefreshToken: () => true,
  cookies: { keys: ['for measurements'] },
  features: { devInteractions: { enabled: true } },
});
provider.listen(Number(PORT), '127.0.0.1');

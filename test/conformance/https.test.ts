// The conformance suite against torc through TLS: what is said on a connection means the same behind a handshake, in every
// lane, so each case has to pass as it does on the plain port.

import { againstTorc } from './against-torc.ts';

againstTorc('conformance by HTTPS', 'torc by https');

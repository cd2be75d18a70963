// The conformance suite against torc over HTTP/2, through a relay that says the cases' HTTP/1.1 in streams: what a message
// means is the same in every door. Cases that HTTP/2 has no words for are not said, and the last test counts the others.

import { againstTorc } from './against-torc.ts';

againstTorc('conformance by HTTP/2', 'torc by http2', 948);

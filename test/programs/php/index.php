<?php echo json_encode(["pid" => getmypid(), "key" => $_GET["request_id"] ?? null]);

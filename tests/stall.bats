@test "x" { true; }
@test "hang" { export BATS_TEST_TIMEOUT=; kill -STOP $PPID; sleep 1000; }

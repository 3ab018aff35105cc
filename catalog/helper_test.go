package catalog

const helperEnv = "FAIRWAY_CATALOG_TEST_HELPER"
func helper(string) {}

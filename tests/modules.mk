SRC_conf_test :=	parent/conf.c parent/parse.y
USES_conf_test := imsg
